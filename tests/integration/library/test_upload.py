"""Files on their way into the library of a real control plane with a disk store."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from tests.support.control_plane import ControlPlane, running_control_plane
from typer.testing import CliRunner, Result

from comfyfleet.cli.main import app
from comfyfleet.client.asset_parts import Sending
from comfyfleet.client.asset_upload import Added, FileWords, UploadRefused, add_file
from comfyfleet.client.connection import Connection
from comfyfleet.client.library import LibraryPlane
from comfyfleet.client.transfers import TransferFailed
from comfyfleet.core.assets import AssetKind, part_size_of

PART: Final = part_size_of(1)
PARTS: Final = 12
SIZE: Final = PARTS * PART - 1000
WORDS_BESIDE_BYTES: Final = 64 * 1024
"""What the calls and headers of one upload may take at most."""


class Proxy:
    """Passes connections on to the control plane, counts what goes there, and cuts them after so many bytes."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self.url = ""
        self.sent_bytes = 0
        self.cut_after: int | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    @property
    def is_cut(self) -> bool:
        return self.cut_after is not None and self.sent_bytes >= self.cut_after

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if not self.is_cut:
                there, back = await asyncio.open_connection(*self._target)
                answering = asyncio.create_task(self._answer(there, writer))
                await self._count(reader, back)
                back.close()
                answering.cancel()
        writer.close()

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self.is_cut and (piece := await reader.read(256 * 1024)):
            self.sent_bytes += len(piece)
            writer.write(piece)
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(256 * 1024):
                writer.write(piece)
                await writer.drain()
        writer.close()


@pytest.fixture
async def control_plane(database_url: str, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with running_control_plane(database_url, tmp_path) as running:
        yield running


@pytest.fixture
async def proxy(control_plane: ControlPlane) -> AsyncIterator[Proxy]:
    async with Proxy(control_plane.url).running() as running:
        yield running


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Return a file of twelve parts, of which the last one is short."""
    path = tmp_path / "large.dat"
    with path.open("wb") as file:
        for number in range(PARTS):
            file.seek(number * PART)
            file.write(hashlib.sha256(str(number).encode()).digest())
        file.truncate(SIZE)
    return path


async def add(control_plane: ControlPlane, proxy: Proxy, path: Path, how: Sending | None = None) -> Added:
    """Add a file through the proxy, in a thread, as the control plane answers in this one."""

    def call() -> Added:
        connection = Connection(url=proxy.url, api_key=SecretStr(control_plane.admin_key))
        with LibraryPlane(connection) as plane:
            return add_file(plane, path, FileWords(), lambda _stage, _done, _total: None, how)

    return await asyncio.to_thread(call)


async def comfyfleet(control_plane: ControlPlane, *args: str, key: str | None = None) -> Result:
    words = ["--url", control_plane.url, "--api-key", key or control_plane.admin_key, *args]
    return await asyncio.to_thread(CliRunner().invoke, app, words, prog_name="comfyfleet")


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safetensors(**metadata: str) -> bytes:
    header: dict[str, Any] = {
        "__metadata__": metadata,
        "lora_unet_down_blocks_0.lora_down.weight": {"dtype": "F16", "shape": [2, 4], "data_offsets": [0, 16]},
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(16)


async def test_an_upload_that_is_cut_at_60_percent_sends_only_the_rest(
    control_plane: ControlPlane, proxy: Proxy, large: Path
) -> None:
    proxy.cut_after = SIZE * 6 // 10
    with pytest.raises(TransferFailed):
        await add(control_plane, proxy, large, Sending(connections=1, tries=2, pause_seconds=0.01))
    assert proxy.sent_bytes < SIZE * 61 // 100
    proxy.cut_after, proxy.sent_bytes = None, 0
    added = await add(control_plane, proxy, large)
    assert added.sent_bytes == SIZE - 7 * PART, "of the part that was on its way nothing is kept"
    assert added.sent_bytes <= proxy.sent_bytes <= added.sent_bytes + WORDS_BESIDE_BYTES
    assert added.asset.sha256 == digest_of(large)
    stored = await asyncio.to_thread(control_plane.wiring.models.head, added.asset.object_key)
    assert stored is not None
    assert stored.size == SIZE


async def test_known_bytes_are_not_sent_again(control_plane: ControlPlane, proxy: Proxy, large: Path) -> None:
    first = await add(control_plane, proxy, large)
    proxy.sent_bytes = 0
    again = await add(control_plane, proxy, await asyncio.to_thread(large.rename, large.with_name("other.dat")))
    assert (again.was_known, again.sent_bytes, again.asset.id) == (True, 0, first.asset.id)
    assert again.asset.filenames == ["large.dat", "other.dat"]
    assert proxy.sent_bytes < WORDS_BESIDE_BYTES


async def test_parts_of_two_files_never_become_an_asset(control_plane: ControlPlane, proxy: Proxy, large: Path) -> None:
    proxy.cut_after = 3 * PART
    with pytest.raises(TransferFailed):
        await add(control_plane, proxy, large, Sending(connections=1, tries=2, pause_seconds=0.01))
    with large.open("r+b") as file:  # within a part that was sent, behind the head by which the file is known
        file.seek(PART + 5)
        file.write(b"other bytes")
    proxy.cut_after = None
    with pytest.raises(UploadRefused, match="digest"):
        await add(control_plane, proxy, large)
    assert (await add(control_plane, proxy, large)).asset.sha256 == digest_of(large)


async def test_a_folder_is_added_shown_and_deleted_by_command(control_plane: ControlPlane, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    (folder / "loras").mkdir(parents=True)
    content = safetensors(ss_base_model_version="sdxl_base_v1-0")
    (folder / "loras" / "ink.safetensors").write_bytes(content)
    (folder / "loras" / "put_loras_here").touch()
    added = await comfyfleet(control_plane, "assets", "add", str(folder), "--notes", "ours", "--json")
    assert added.exit_code == 0, added.output
    asset = json.loads(added.stdout.splitlines()[-1])["asset"]
    assert (asset["kind"], asset["sha256"]) == (AssetKind.LORA, hashlib.sha256(content).hexdigest())
    stored = await asyncio.to_thread(control_plane.wiring.models.read, asset["object_key"])
    assert stored == content
    shown = await comfyfleet(control_plane, "assets", "show", "ink.safetensors")
    assert (shown.exit_code, "ours" in shown.stdout) == (0, True)
    changed = await comfyfleet(control_plane, "assets", "update", asset["sha256"][:8], "--license", "MIT", "--json")
    assert json.loads(changed.stdout)["license"] == "MIT"
    listed = await comfyfleet(control_plane, "assets", "list", "--search", "ink", "--kind", "lora", "--json")
    assert json.loads(listed.stdout)["total"] == 1
    assert "1 assets" in (await comfyfleet(control_plane, "assets", "unused")).stderr
    deleted = await comfyfleet(control_plane, "assets", "delete", "ink.safetensors", "--yes")
    assert deleted.exit_code == 0, deleted.output
    assert (await comfyfleet(control_plane, "assets", "show", "ink.safetensors")).exit_code == 3
    acts = await comfyfleet(control_plane, "audit", "list", "--subject", asset["sha256"], "--json")
    assert [act["action"] for act in json.loads(acts.stdout)["items"]] == ["asset.delete", "asset.update", "asset.add"]


async def test_only_administrators_add_files(control_plane: ControlPlane, tmp_path: Path) -> None:
    (tmp_path / "ink.pt").write_bytes(b"x")
    tenant = await control_plane.new_tenant("alpha")
    refused = await comfyfleet(control_plane, "assets", "add", str(tmp_path / "ink.pt"), key=tenant.token)
    assert refused.exit_code == 3
