"""The admin's pages of the library: what they say, to whom, and what they let happen."""

import json
import os
import pickle
import re
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import insert
from tests.integration.server.test_assets_uploads import library_on_s3
from tests.integration.web.test_operations import HOSTILE, LONG, post, signed_in_as, text_of
from tests.support.asset_library import AssetLibrary, digest_of
from tests.support.control_plane import ControlPlane

from comfyfleet.server.models import Asset, AssetName
from comfyfleet.web.pages.admin.assets import ASSETS_ON_A_PAGE

ASSETS = "/admin/comfyui/assets"


class Danger:
    """Runs a command when it is loaded from a pickle."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


@pytest.fixture
def library(control_plane: ControlPlane) -> AssetLibrary:
    """Return the library of the control plane."""
    return AssetLibrary(control_plane)


async def test_an_empty_library_says_what_to_do(signed_in: httpx.AsyncClient) -> None:
    page = await text_of(signed_in, ASSETS)
    assert "The library is empty." in page
    assert "Choose files" in page
    assert "No asset fits" in await text_of(signed_in, f"{ASSETS}?q=nothing")


async def test_assets_are_listed_with_digest_scan_and_use(
    library: AssetLibrary, control_plane: ControlPlane, signed_in: httpx.AsyncClient
) -> None:
    used = await library.add(b"used", "used.safetensors", kind="vae")
    await library.add(pickle.dumps({"weights": [1]}), "safe.pt")
    await library.add(pickle.dumps(Danger()), "bad.pt")
    async with control_plane.client() as client:
        for name in ("one", "two"):
            body = {"name": name, "entries": [{"asset": used["sha256"]}]}
            assert (await client.post("/api/bundles", json=body)).is_success
    rows = re.findall(r"<tr>(.*?)</tr>", await text_of(signed_in, f"{ASSETS}?sort=name"), re.DOTALL)
    told = {name: rows[place] for place, name in enumerate(("bad.pt", "safe.pt", "used.safetensors"), 1)}
    assert all(name in row for name, row in told.items())
    assert "quarantined" in told["bad.pt"]
    assert ">safe</span>" in told["safe.pt"]
    assert "2 bundles" in told["used.safetensors"]
    assert used["sha256"] in told["used.safetensors"]
    unused = await text_of(signed_in, f"{ASSETS}?only=unused")
    assert "2 assets, " in unused
    assert "used.safetensors" not in unused.partition('id="results"')[2]
    quarantined = (await text_of(signed_in, f"{ASSETS}?only=quarantined")).partition('id="results"')[2]
    assert "bad.pt" in quarantined
    assert "safe.pt" not in quarantined


async def test_a_list_of_many_is_paged(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> None:
    await add_rows(control_plane, ASSETS_ON_A_PAGE + 3)
    first = await text_of(signed_in, f"{ASSETS}?kind=lora")
    assert first.count('class="digest-start"') == ASSETS_ON_A_PAGE
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    last = await text_of(signed_in, unescape(older[1]))
    assert last.count('class="digest-start"') == 3
    assert 'rel="next"' not in last


async def test_hostile_and_long_words_are_shown_as_text(library: AssetLibrary, signed_in: httpx.AsyncClient) -> None:
    asset = await library.add(
        _safetensors({"modelspec.title": HOSTILE}),
        f"{HOSTILE}.safetensors",
        notes=HOSTILE,
        license=HOSTILE,
        source_url=f"https://example.com/{HOSTILE}",
    )
    await library.add(_safetensors({"x": "y"}), f"{LONG}.safetensors", notes=LONG)
    for path in (ASSETS, f"{ASSETS}?q={HOSTILE}&expect={HOSTILE}", f"{ASSETS}/{asset['id']}"):
        page = await text_of(signed_in, path)
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
    assert LONG in await text_of(signed_in, ASSETS)


async def test_what_another_page_misses_is_asked_for_until_it_is_there(
    library: AssetLibrary, signed_in: httpx.AsyncClient
) -> None:
    path = f"{ASSETS}?expect=style/ink.safetensors&kind=lora"
    page = await text_of(signed_in, path)
    assert "Missing: <strong>style/ink.safetensors</strong>" in page
    assert "<option selected>lora</option>" in page
    await library.add(b"bytes", "ink.safetensors")
    assert "is in the library" in await text_of(signed_in, path)
    assert "<option selected>lora</option>" not in await text_of(signed_in, f"{ASSETS}?kind=lora")


async def test_an_operator_changes_what_is_said_and_can_take_it_back(
    library: AssetLibrary, signed_in: httpx.AsyncClient
) -> None:
    asset = await library.add(b"bytes", "ink.safetensors", kind="lora")
    path = f"{ASSETS}/{asset['id']}"
    said = {"kind": "vae", "notes": "new", "license": "mit", "source_url": "https://example.com/ink"}
    assert "The asset was saved." in await post(signed_in, path, **said)
    changed = await library.data("GET", f"/{asset['id']}")
    assert {name: changed[name] for name in said} == said
    await post(signed_in, path, kind="vae")
    emptied = await library.data("GET", f"/{asset['id']}")
    assert (emptied["notes"], emptied["license"], emptied["source_url"]) == ("", "", None)
    page = await text_of(signed_in, path)
    assert "mit → none" in page
    refused = await signed_in.post(path, data={"kind": "vae", "source_url": "javascript:alert(1)"})
    assert refused.status_code == 422
    assert "Source url" in refused.text


async def test_a_quarantined_asset_tells_what_was_found_and_is_released(
    library: AssetLibrary, signed_in: httpx.AsyncClient
) -> None:
    asset = await library.add(pickle.dumps(Danger()), "bad.pt")
    path = f"{ASSETS}/{asset['id']}"
    page = await text_of(signed_in, path)
    assert "In quarantine" in page
    assert "Loading bad.pt would call posix.system. Release it" in page
    assert "may be used now" in await post(signed_in, f"{path}/release")
    assert "released it" in await text_of(signed_in, path)


async def test_an_asset_in_use_is_not_deleted_and_an_unused_one_is(
    library: AssetLibrary, control_plane: ControlPlane, signed_in: httpx.AsyncClient
) -> None:
    asset = await library.add(b"bytes", "ink.safetensors")
    async with control_plane.client() as client:
        bundle = {"name": "painter", "entries": [{"asset": asset["sha256"]}]}
        assert (await client.post("/api/bundles", json=bundle)).is_success
    path = f"{ASSETS}/{asset['id']}"
    assert "painter@1</a>" in await text_of(signed_in, path)
    refused = await signed_in.post(f"{path}/delete")
    assert refused.status_code == 409
    assert "painter@1" in refused.text
    other = await library.add(b"other bytes", "brush.safetensors")
    assert "brush.safetensors was deleted." in await post(signed_in, f"{ASSETS}/{other['id']}/delete")


async def test_a_viewer_reads_all_and_may_do_nothing(library: AssetLibrary, control_plane: ControlPlane) -> None:
    asset = await library.add(pickle.dumps(Danger()), "bad.pt")
    path = f"{ASSETS}/{asset['id']}"
    async with await signed_in_as(control_plane, "viewer") as viewer:
        for page in (await text_of(viewer, ASSETS), await text_of(viewer, path)):
            assert "bad.pt" in page
            for act in ("Choose files", "Import it", "Release it", "Delete", "Save"):
                assert act not in page
        for target in (f"{path}/release", f"{path}/delete", f"{ASSETS}/imports/{uuid4()}/cancel"):
            assert (await viewer.post(target)).status_code == 403
        assert (await viewer.post(path, data={"kind": "vae"})).status_code == 403
        assert (await viewer.post(f"{ASSETS}/import", data={"url": "https://example.com/a"})).status_code == 403
    async with await signed_in_as(control_plane, "user") as user:
        assert (await user.get(ASSETS)).status_code == 403
        assert (await user.get(path)).status_code == 403
    assert (await library.data("GET", f"/{asset['id']}"))["is_quarantined"]


async def test_an_import_that_is_not_begun_says_why(signed_in: httpx.AsyncClient) -> None:
    refused = await signed_in.post(f"{ASSETS}/import", data={"url": "http://127.0.0.1:9/a.safetensors"})
    assert refused.status_code in {403, 422}
    assert "127.0.0.1" in refused.text
    wrong = await signed_in.post(f"{ASSETS}/import", data={"url": "https://example.com/a", "kind": "x"})
    assert wrong.status_code == 422


@pytest.mark.parametrize("path", [f"{ASSETS}/9999999999999999999", f"{ASSETS}/nothing", f"{ASSETS}/imports/nothing"])
async def test_what_is_not_there_is_a_page_that_says_so(signed_in: httpx.AsyncClient, path: str) -> None:
    answer = await signed_in.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


async def test_pages_may_send_to_where_models_are_stored(database_url: str, tmp_path: Path) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        origin = f"http://{host}:{port}"
        async with (
            library_on_s3(database_url, tmp_path, origin) as library,
            httpx.AsyncClient(base_url=library.control_plane.url, timeout=60) as stranger,
        ):
            policy = (await stranger.get("/sign-in")).headers["content-security-policy"]
    finally:
        server.stop()
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert origin in rules["connect-src"].split()
    assert origin not in rules["script-src"] + rules["img-src"] + rules["media-src"]


async def add_rows(control_plane: ControlPlane, count: int) -> None:
    """Write assets without bytes into the database."""
    digests = [digest_of(str(number).encode()) for number in range(count)]
    fixed: dict[str, Any] = {
        "kind": "lora",
        "size": 1,
        "notes": "",
        "license": "",
        "inspection": {},
        "is_quarantined": False,
    }
    fixed["created_by"] = "a test"
    rows = [
        {"sha256": digest, "head_sha256": digest, "object_key": f"assets/lora/{digest}", **fixed} for digest in digests
    ]
    async with control_plane.wiring.sessions.begin() as session:
        ids = list(await session.scalars(insert(Asset).returning(Asset.id), rows))
        names = [{"asset_id": one, "filename": f"model-{one}.safetensors"} for one in ids]
        await session.execute(insert(AssetName), names)


def _safetensors(metadata: dict[str, str]) -> bytes:
    header = json.dumps(
        {"__metadata__": metadata, "weight": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}
    ).encode()
    return len(header).to_bytes(8, "little") + header + b"abcd"
