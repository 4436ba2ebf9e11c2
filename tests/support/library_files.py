"""Files for the library of a running system: small, but whole, so that they are inspected as real ones."""

import json
import struct
from pathlib import Path

from tests.support.fleet import Fleet

from comfyfleet.client.asset_upload import FileWords, add_file
from comfyfleet.client.connection import Connection
from comfyfleet.client.library import LibraryPlane
from comfyfleet.core.assets import AssetKind


def write_safetensors(path: Path, *, size: int = 4096, **metadata: str) -> Path:
    """Write a safetensors file of one tensor, whose bytes follow from the file's name."""
    header = json.dumps(
        {"__metadata__": metadata, "weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    ).encode()
    pattern = path.name.encode() + b"\n"
    body = (pattern * (size // len(pattern) + 1))[:size]
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    return path


def add_to_library(fleet: Fleet, path: Path, kind: AssetKind = AssetKind.LORA) -> str:
    """Upload a file into the library of a running system as the command line does; return its digest."""
    connection = Connection.model_validate_json((fleet.data / "cli.json").read_text())
    with LibraryPlane(connection) as plane:
        return add_file(plane, path, FileWords(kind=kind), lambda _stage, _done, _of: None).asset.sha256
