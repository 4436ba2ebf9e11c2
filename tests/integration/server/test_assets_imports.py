"""A file from a URL becomes an asset as an uploaded one does, and nothing else is reached by it."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy import select
from tests.support.asset_library import MIB, AssetLibrary, digest_of
from tests.support.control_plane import running_control_plane

from comfyfleet.core.roles import Role
from comfyfleet.protocol.library import NewAssetImport
from comfyfleet.server.assets import importing
from comfyfleet.server.assets.arrivals import Arrivals
from comfyfleet.server.assets.uploads import parted_of
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import ApiKey

CONTENT = bytes(range(251)) * (33 * MIB // 251)
"""Two whole parts and a short third one."""


@dataclass
class Host:
    """Serves one file; notes which ranges were asked for, and can be told to wait or to be away."""

    url: str
    file: Path
    ranges: list[str] = field(default_factory=list)
    is_away: bool = False
    may_give: asyncio.Event = field(default_factory=asyncio.Event)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """Run a host of one file."""
    app = FastAPI()
    serving = Host("", tmp_path / "file")
    serving.file.write_bytes(CONTENT)
    serving.may_give.set()

    @app.get("/{name}")
    async def give(request: Request) -> Response:
        asked = request.headers.get("range", "")
        serving.ranges.append(asked)
        if serving.is_away:
            return Response(status_code=503, headers={"Retry-After": "0"})
        if asked != "bytes=0-511":
            await serving.may_give.wait()
        return FileResponse(serving.file, media_type="application/octet-stream")

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), task.exception()
    serving.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield serving
    serving.may_give.set()
    server.should_exit = True
    await task


@pytest.fixture
async def library(database_url: str, tmp_path: Path) -> AsyncIterator[AssetLibrary]:
    """Run a control plane that may import from this machine."""
    async with running_control_plane(database_url, tmp_path, import_allowed_networks=["127.0.0.0/8"]) as running:
        yield AssetLibrary(running)


async def begin(library: AssetLibrary, url: str, **words: Any) -> dict[str, Any]:
    """Begin an import."""
    upload: dict[str, Any] = await library.data("POST", "/imports", {"url": url, **words})
    return upload


async def test_a_file_at_a_url_becomes_an_asset(library: AssetLibrary, host: Host) -> None:
    url = f"{host.url}/flux_lora.safetensors"
    upload = await begin(library, url, notes="n", license="mit", sha256=digest_of(CONTENT))
    assert (upload["state"], upload["size"], upload["part_count"]) == ("receiving", len(CONTENT), 3)
    asset = (await library.until_over(upload))["asset"]
    assert (asset["kind"], asset["sha256"], asset["source_url"]) == ("lora", digest_of(CONTENT), url)
    assert (asset["filenames"], asset["notes"], asset["license"]) == (["flux_lora.safetensors"], "n", "mit")
    assert hashlib.sha256(library.control_plane.wiring.models.read(asset["object_key"])).hexdigest() == asset["sha256"]
    assert library.keys() == [asset["object_key"]]
    assert [entry["action"] for entry in await library.audit()] == ["asset.import", "asset.add"]


async def test_a_known_digest_is_not_fetched(library: AssetLibrary, host: Host) -> None:
    host.file.write_bytes(b"small")
    asset = await library.add(b"small", "here.safetensors")
    host.ranges.clear()
    upload = await begin(library, f"{host.url}/there.safetensors", sha256=asset["sha256"])
    assert (upload["state"], upload["was_known"], len(host.ranges)) == ("stored", True, 1)
    assert upload["asset"]["filenames"] == ["here.safetensors", "there.safetensors"]


async def test_without_a_digest_the_bytes_name_themselves(library: AssetLibrary, host: Host) -> None:
    host.file.write_bytes(b"small")
    asset = await library.add(b"small", "here.safetensors")
    upload = await library.until_over(await begin(library, f"{host.url}/there.safetensors", filename="mine.bin"))
    assert (upload["asset"]["id"], upload["asset"]["filenames"]) == (asset["id"], ["here.safetensors", "mine.bin"])
    assert library.keys() == [asset["object_key"]]


async def test_other_bytes_than_expected_are_refused(library: AssetLibrary, host: Host) -> None:
    upload = await library.until_over(await begin(library, f"{host.url}/a.safetensors", sha256="0" * 64))
    assert upload["state"] == "refused"
    assert digest_of(CONTENT) in upload["problem"]
    assert library.keys() == []


async def test_a_signed_url_keeps_its_secret(library: AssetLibrary, host: Host) -> None:
    upload = await library.until_over(await begin(library, f"{host.url}/a.safetensors?X-Amz-Signature=s3cr3t"))
    assert upload["asset"]["source_url"] == f"{host.url}/a.safetensors"
    assert "s3cr3t" not in str(await library.audit())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a", "https://169.254.169.254/latest", "ftp://example.com/a", "x"])
async def test_what_may_not_or_cannot_be_read_is_refused_at_once(database_url: str, tmp_path: Path, url: str) -> None:
    async with running_control_plane(database_url, tmp_path) as control_plane:
        library = AssetLibrary(control_plane)
        assert (await library.refused("POST", "/imports", {"url": url}))[0] == 422
        assert library.keys() == []


async def test_an_import_that_is_canceled_stops(library: AssetLibrary, host: Host) -> None:
    host.may_give.clear()
    upload = await begin(library, f"{host.url}/a.safetensors")
    await library.data("DELETE", f"/uploads/{upload['upload_id']}")
    host.may_give.set()
    assert (await library.show(upload))["state"] == "refused"
    await no_arrivals()
    assert (await library.show(upload))["state"] == "refused"
    assert (library.keys(), await library.data("GET", "")) == ([], {"items": [], "total": 0, "bytes": 0})


async def test_an_import_goes_on_with_the_first_part_that_is_lacking(library: AssetLibrary, host: Host) -> None:
    upload = await interrupted(library, host, parts=1)
    host.ranges.clear()
    async with another_control_plane(library):
        done = await library.until_over(upload)
    assert done["asset"]["sha256"] == digest_of(CONTENT)
    assert host.ranges[-1] == f"bytes={16 * MIB}-"


async def test_a_host_that_is_away_is_tried_again_for_a_day(library: AssetLibrary, host: Host) -> None:
    upload = await interrupted(library, host, parts=1)
    host.is_away = True
    deadline = time.monotonic() + 60
    async with another_control_plane(library):
        while (view := await library.show(upload))["problem"] is None:
            await asyncio.sleep(0.1)
            assert time.monotonic() < deadline
    assert (view["state"], view["received"], "cannot be read" in view["problem"]) == ("receiving", [1], True)
    host.is_away = False
    library.control_plane.clock.forward(seconds=61)
    async with another_control_plane(library):
        assert (await library.until_over(upload))["problem"] is None


async def test_an_import_of_a_file_that_changed_begins_anew(library: AssetLibrary, host: Host) -> None:
    upload = await interrupted(library, host, parts=2)
    changed = CONTENT[::-1]
    host.file.write_bytes(changed)
    host.ranges.clear()
    async with another_control_plane(library):
        done = await library.until_over(upload)
    assert done["asset"]["sha256"] == digest_of(changed)
    assert host.ranges[-1] == "bytes=0-"


async def test_an_import_of_a_file_that_has_another_size_by_now_is_refused(library: AssetLibrary, host: Host) -> None:
    upload = await interrupted(library, host, parts=1)
    host.file.write_bytes(b"other")
    async with another_control_plane(library):
        done = await library.until_over(upload)
    assert (done["state"], "another size" in done["problem"]) == ("refused", True)


async def interrupted(library: AssetLibrary, host: Host, *, parts: int) -> dict[str, Any]:
    """Begin an import of which some parts came before its process died."""
    wiring = library.control_plane.wiring
    async with wiring.sessions.begin() as session:
        tenant_id = await session.scalar(select(ApiKey.tenant_id).where(ApiKey.role == Role.OPERATOR).limit(1))
    assert tenant_id is not None
    admin = Principal(tenant_id=tenant_id, role=Role.OPERATOR, key_name="test")
    upload = (await importing.begin(wiring, admin, NewAssetImport(url=f"{host.url}/a.safetensors"))).upload
    parted = parted_of(upload)
    for number in range(1, parts + 1):
        start = parted.offset_of(number)
        wiring.model_parts.write_part(parted, number, CONTENT[start : start + parted.size_of(number)])
    view = await library.show({"upload_id": str(upload.id)})
    assert view["received"] == list(range(1, parts + 1))
    return view


@contextlib.asynccontextmanager
async def another_control_plane(library: AssetLibrary) -> AsyncIterator[None]:
    """Let another control plane look after uploads."""
    other = Arrivals(library.control_plane.wiring)
    other.start()
    try:
        yield
    finally:
        await other.stop()


async def no_arrivals() -> None:
    """Wait until no task works on an upload."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        if not any(task.get_name().startswith("arrival-") for task in asyncio.all_tasks()):
            return
    raise AssertionError("an upload is still worked on")
