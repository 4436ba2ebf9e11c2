"""The command `comfyfleet`: its groups, and the options that hold for all of them."""

from typing import Annotated

import typer

from comfyfleet import __version__
from comfyfleet.cli import (
    assets,
    audit,
    bundles,
    cloud,
    control_plane,
    demo,
    devnode,
    effects,
    fleets,
    jobs,
    keys,
    machine,
    metrics,
    operations,
    program,
    run,
    system,
    tenants,
    workers,
    workflows,
)
from comfyfleet.cli.errors import EXIT_CODES_HELP, FleetGroup
from comfyfleet.cli.options import examples
from comfyfleet.cli.settings import CliSettings

app = typer.Typer(
    name="comfyfleet",
    cls=FleetGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=EXIT_CODES_HELP
    + "\n\n"
    + examples(
        "comfyfleet demo", "comfyfleet up", "comfyfleet run caption-video -i clip.mp4 -s prompt=Hello -o out.mp4"
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"comfyfleet {__version__}")
        raise typer.Exit


@app.callback()
def comfyfleet(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The server; else COMFYFLEET_URL, else the one that runs here."),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key", metavar="KEY", help="API key; better COMFYFLEET_API_KEY, which others here cannot see."
        ),
    ] = None,
    data: program.DataOption = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run ComfyUI workflows as products on a shared fleet of GPU machines."""
    if context.obj is not None:
        context.meta[cloud.CLOUDS] = context.obj
    context.obj = CliSettings.load(url=url, api_key=api_key, data=data)


app.command(epilog=program.UP_EXAMPLES)(program.up)
app.command()(demo.demo)
app.command(epilog=run.RUN_EXAMPLES)(run.run)
app.add_typer(jobs.app, name="jobs")
app.add_typer(effects.app, name="effects")
app.command()(keys.me)
app.add_typer(keys.app, name="keys")
app.add_typer(workflows.app, name="workflows", rich_help_panel="For administrators")
app.add_typer(assets.app, name="assets", rich_help_panel="For administrators")
app.add_typer(bundles.app, name="bundles", rich_help_panel="For administrators")
app.add_typer(fleets.app, name="fleets", rich_help_panel="For administrators")
app.add_typer(devnode.app, name="devnode", rich_help_panel="For administrators")
app.add_typer(operations.app, name="operations", rich_help_panel="For administrators")
app.add_typer(workers.app, name="workers", rich_help_panel="For administrators")
app.command(rich_help_panel="For administrators")(metrics.attention)
app.add_typer(tenants.app, name="tenants", rich_help_panel="For administrators")
app.add_typer(audit.app, name="audit", rich_help_panel="For administrators")
app.command(rich_help_panel="For administrators")(system.system)
app.command(rich_help_panel="For machines", epilog=control_plane.SERVE_EXAMPLES)(control_plane.serve)
app.command(rich_help_panel="For machines", epilog=control_plane.MIGRATE_EXAMPLES)(control_plane.migrate)
app.add_typer(machine.app, name="machine", rich_help_panel="For machines")
app.add_typer(program.comfyui_app, name="comfyui", rich_help_panel="For machines")
app.command(rich_help_panel="For machines")(program.worker)
