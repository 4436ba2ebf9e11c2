"""How a command line on this machine finds a running `comfyfleet up`: a small file in its data folder."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from comfyfleet.core.errors import Invalid

CONNECTION_FILE: Final = "cli.json"


class ConnectionFileInvalid(Invalid):
    """The connection file is not what `up` writes."""

    code = "connection_file_invalid"


class Connection(BaseModel):
    """Where a control plane answers, and the key that opens it. `url` has no path, such as http://127.0.0.1:8600."""

    model_config = ConfigDict(frozen=True)

    url: str
    api_key: SecretStr


def connection_path(folder: Path) -> Path:
    """Return the path of the connection file of a data folder."""
    return folder / CONNECTION_FILE


def read_connection(folder: Path) -> Connection | None:
    """Return what a running `up` wrote into its data folder, or None; raise `ConnectionFileInvalid` for nonsense."""
    path = connection_path(folder)
    try:
        return Connection.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ConnectionFileInvalid(
            f"{path} is not a connection file.", hint="Stop comfyfleet up, delete that file and start it again."
        ) from error
