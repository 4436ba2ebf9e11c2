"""Commands of a GPU machine: apply a bundle, verify it, go back. They load nothing of the server and little else."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from comfyfleet.cli.machine_errors import MACHINE_EXIT_CODES_HELP, MachineGroup
from comfyfleet.cli.machine_report import Teller
from comfyfleet.machine.settings import MachineSettings

app = typer.Typer(
    help="Apply bundles to this machine.",
    cls=MachineGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=MACHINE_EXIT_CODES_HELP,
)

RootOption = Annotated[
    Path | None,
    typer.Option("--root", metavar="FOLDER", help="ComfyUI's folder; else INSTALL_ROOT, else /opt/comfyui."),
]
StoreOption = Annotated[
    Path | None, typer.Option("--store", metavar="FOLDER", help="Folder of fetched files; else beside the root.")
]
WaitOption = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait so long for another command on this machine.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
BundleArgument = Annotated[
    str | None, typer.Argument(metavar="BUNDLE", help="bundles/<id> or the id; else BUNDLE_PREFIX.", show_default=False)
]


@app.command()
def apply(
    bundle: BundleArgument = None,
    bucket: Annotated[str | None, typer.Option("--bucket", help="Models bucket on S3; else MODELS_BUCKET.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Folder of a models disk, in place of a bucket; else MODELS_FOLDER.")
    ] = None,
    root: RootOption = None,
    store: StoreOption = None,
    first: Annotated[
        list[str] | None, typer.Option("--first", metavar="TARGET_PATH", help="Fetch this before others; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read the manifest again, though the bundle is here already.")
    ] = False,
    wait: WaitOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Bring this machine to a bundle. Running it again is quick; after a failure it goes on where it was."""
    from comfyfleet.cli import machine_verbs  # noqa: PLC0415 - `--help` need not load what applies

    settings = MachineSettings.load(
        bundle_prefix=bundle, models_bucket=bucket, models_folder=folder, install_root=root, content_store=store
    )
    with Teller(settings, is_quiet=as_json) as teller:
        if dry_run:
            document, lines = machine_verbs.show_plan(settings, tuple(first or ()))
        else:
            document, lines = machine_verbs.apply(settings, tuple(first or ()), wait, teller.report, refresh=refresh)
    _print(document, lines, as_json=as_json)


@app.command()
def verify(
    root: RootOption = None,
    store: StoreOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for added files, too.")] = False,
    wait: WaitOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Read every installed file again and name each that was changed, lost or added."""
    from comfyfleet.cli import machine_verbs  # noqa: PLC0415

    settings = MachineSettings.load(install_root=root, content_store=store)
    with Teller(settings, is_quiet=as_json) as teller:
        verification = machine_verbs.verify(settings, wait, teller.report)
    lines = [f"{finding.difference.value:8} {finding.path}" for finding in verification.findings]
    is_clean = verification.is_whole and not (strict and verification.findings)
    lines.append(
        f"bundle {verification.bundle_id}: {verification.file_count} files, "
        + ("all as they should be" if is_clean else f"{len(verification.findings)} differ")
    )
    _print({**asdict(verification), "is_whole": verification.is_whole}, lines, as_json=as_json)
    if not is_clean:
        raise typer.Exit(1)


@app.command()
def rollback(
    root: RootOption = None, store: StoreOption = None, wait: WaitOption = 0, as_json: JsonOption = False
) -> None:
    """Go back to the bundle before, at once: all its files are still here."""
    from comfyfleet.cli import machine_verbs  # noqa: PLC0415

    settings = MachineSettings.load(install_root=root, content_store=store)
    with Teller(settings, is_quiet=as_json) as teller:
        document, lines = machine_verbs.rollback(settings, wait, teller.report)
    _print(document, lines, as_json=as_json)


@app.command()
def status(root: RootOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show which bundle is in place, which one was before, and what the content store takes."""
    from comfyfleet.cli import machine_verbs  # noqa: PLC0415

    document, lines = machine_verbs.status(MachineSettings.load(install_root=root, content_store=store))
    _print(document, lines, as_json=as_json)


@app.command()
def boot(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring this machine to what its fleet points to, and start its services, as at every start of the machine.

    Its settings are those of /opt/worker/boot.env; boot.sh beside it reads them.
    """
    from comfyfleet.cli import machine_boot  # noqa: PLC0415
    from comfyfleet.machine.boot.settings import BootSettings  # noqa: PLC0415

    settings = BootSettings.load()
    if dry_run:
        document, lines = machine_boot.show_plan(settings)
    else:
        document, lines = machine_boot.boot(settings, is_quiet=as_json), []
    _print(document, lines, as_json=as_json)


def _print(document: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    if lines:
        from comfyfleet.cli.output import printable  # noqa: PLC0415 - a quiet apply prints nothing

        for line in lines:
            typer.echo(printable(line))
