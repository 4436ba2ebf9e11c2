"""`comfyfleet up`, `comfyfleet worker` and `comfyfleet comfyui install`: the programs that this package is."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from comfyfleet.cli.options import examples
from comfyfleet.cli.session import settings_of

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

    run(WorkerSettings())
