"""`comfyfleet up`, `comfyfleet worker` and `comfyfleet comfyui install`: the programs that this package is."""

import shlex
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from comfyfleet.cli.options import examples
from comfyfleet.cli.output import say
from comfyfleet.cli.session import settings_of
from comfyfleet.up.comfyui_install import RELEASE, apply_install, plan_install
from comfyfleet.up.hardware import find_hardware

comfyui_app = typer.Typer(no_args_is_help=True, help="A ComfyUI of this machine's own.")

DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder; else COMFYFLEET_DATA, else the user's own.")
]

UP_EXAMPLES: Final = examples("comfyfleet up", "comfyfleet up --port 8700 --comfyui http://127.0.0.1:8188")


def up(
    context: typer.Context,
    data: DataOption = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; else COMFYFLEET_HOST.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port, 0 for a free one; else COMFYFLEET_PORT.", show_default="8600", min=0, max=65535),
    ] = None,
    comfyui_url: Annotated[
        str | None, typer.Option("--comfyui", metavar="URL", help="A ComfyUI that runs already; else COMFYUI_URL.")
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Start no worker: render nothing here.")] = False,
) -> None:
    """Start everything on this machine: Postgres, the control plane, ComfyUI and a worker. Ctrl-C stops it all."""
    # Loads the whole server: over a second that no other command shall pay.
    from comfyfleet.up.program import run  # noqa: PLC0415
    from comfyfleet.up.settings import UpSettings  # noqa: PLC0415

    settings = settings_of(context)
    given: dict[str, Any] = {
        "data": data or settings.data,
        "host": host,
        "port": port,
        "comfyui_url": comfyui_url or settings.comfyui_url,
        "has_worker": not no_worker,
    }
    raise typer.Exit(run(UpSettings(**{name: value for name, value in given.items() if value is not None})))


def worker() -> None:
    """Run the agent of a GPU machine: it leases jobs, drives ComfyUI and uploads what it made.

    All its settings come from the environment: API_BASE_URL, WORKER_ID, FLEET_SECRET, FLEET_SLUG and more.
    """
    # Loads NumPy, httpx and websockets, which only this command needs.
    from comfyfleet.worker.main import run  # noqa: PLC0415
    from comfyfleet.worker.settings import WorkerSettings  # noqa: PLC0415

    settings = WorkerSettings.load()
    if settings.asg_name is None:
        raise typer.Exit(run(settings))
    from comfyfleet.cloud.aws.groups import AutoScalingGroups  # noqa: PLC0415 - boto3, for machines of a group only

    raise typer.Exit(run(settings, AutoScalingGroups()))


@comfyui_app.command("install", epilog=examples("comfyfleet comfyui install --dry-run", "comfyfleet comfyui install"))
def install_comfyui(
    context: typer.Context,
    data: DataOption = None,
    torch_index: Annotated[
        str | None, typer.Option(metavar="URL", help="Package index of torch builds, for AMD or a smaller CPU build.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Install ComfyUI into the data folder, at a pinned release, for the hardware found. `up` uses it from then on.

    It takes several gigabytes. An interrupted installation goes on where it stopped.
    """
    folder = settings_of(context).data if data is None else data.expanduser().absolute()
    plan = plan_install(folder, find_hardware(), torch_index=torch_index)
    say(f"ComfyUI {RELEASE} goes to {plan.target.folder}, for the hardware: {plan.hardware}.")
    if not dry_run:
        apply_install(plan, say)
        say("ComfyUI is installed. comfyfleet up uses it from its next start.")
        return
    for number, step in enumerate(plan.steps, start=1):
        is_done = step.makes is not None and step.makes.exists()
        say(f"[{number}/{len(plan.steps)}] {step.words}{': done before' if is_done else ''}")
        typer.echo(shlex.join(step.command))
