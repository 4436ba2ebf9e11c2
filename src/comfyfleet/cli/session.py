"""From a command's context to a client of the server."""

from collections.abc import Callable

import typer

from comfyfleet.cli.errors import ServerUnknown, UsageProblem
from comfyfleet.cli.settings import CliSettings
from comfyfleet.client.api import ControlPlane
from comfyfleet.client.connection import Connection, read_connection
from comfyfleet.client.errors import Refused


def settings_of(context: typer.Context) -> CliSettings:
    """Return the settings that the root command made."""
    settings = context.find_root().obj
    return settings if isinstance(settings, CliSettings) else CliSettings.load()


def open_plane(context: typer.Context) -> ControlPlane:
    """Return a client of the server that the settings name, or that runs on this machine."""
    return ControlPlane(find_connection(settings_of(context)))


def find_connection(settings: CliSettings) -> Connection:
    """Return where the server is: as set, else as a running `up` wrote it into the data folder.

    The key of the data folder is only ever sent to the server of the data folder.

    Raises:
        ServerUnknown: Nothing is set and no `up` runs on this data folder.
        UsageProblem: A URL is set without a key.
    """
    if settings.url is not None:
        if settings.api_key is None:
            raise UsageProblem(
                f"There is no API key for {settings.url}.",
                hint="Set COMFYFLEET_API_KEY; on the server's machine `comfyfleet keys create NAME` makes one.",
            )
        return Connection(url=settings.url, api_key=settings.api_key)
    local = read_connection(settings.data)
    if local is None:
        raise ServerUnknown(f"No server is running with the data folder {settings.data}, and no other is named.")
    return Connection(url=local.url, api_key=settings.api_key or local.api_key)


def is_found(ask: Callable[[], object]) -> bool:
    """Tell whether what `ask` asks the server for exists."""
    try:
        ask()
    except Refused as error:
        if error.status != 404:
            raise
        return False
    return True
