"""What workflows need is looked for in the library, and only there."""

import pytest
from sqlalchemy import event
from tests.support.bundle_library import BundleLibrary, graph_of
from tests.support.control_plane import ControlPlane

from comfyfleet.core.assets import AssetKind


@pytest.fixture
def library(control_plane: ControlPlane) -> BundleLibrary:
    return BundleLibrary(control_plane)


async def found(library: BundleLibrary, *loras: str) -> list[tuple[str, int | None]]:
    data = await library.data("POST", "/api/workflows/analyze", {"document": graph_of(*loras)})
    return [(model["where"], model["asset_id"]) for model in data["models"]]


async def test_a_file_is_found_by_its_name_in_whatever_folder_it_came(library: BundleLibrary) -> None:
    plain = await library.asset("ink.safetensors")
    nested = await library.asset("styles/old/oil.safetensors")
    windows = await library.asset("styles\\chalk.safetensors", "first-name.safetensors")
    names = ("ink.safetensors", "deep/oil.safetensors", "chalk.safetensors")
    assert sorted(await found(library, *names)) == [("library", asset.id) for asset in (plain, nested, windows)]


async def test_case_and_kind_count_and_quarantine_is_said(library: BundleLibrary) -> None:
    await library.asset("Ink.safetensors")
    await library.asset("base.safetensors", kind=AssetKind.CHECKPOINT)
    barred = await library.asset("bad.pt", is_quarantined=True)
    assert await found(library, "ink.safetensors") == [("missing", None)]
    assert await found(library, "base.safetensors") == [("missing", None)]
    assert await found(library, "bad.pt") == [("quarantined", barred.id)]


async def test_a_name_that_no_database_can_hold_is_refused(library: BundleLibrary) -> None:
    for name in (r"a\u0000b.pt", r"a\ud800.pt"):
        loader = '{"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "' + name + '"}}'
        async with library.control_plane.client() as client:
            headers = {"Content-Type": "application/json"}
            answer = await client.post(
                "/api/workflows/analyze", content='{"document": {"1": ' + loader + "}}", headers=headers
            )
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "graph_invalid")


async def test_only_what_could_be_meant_is_read_from_a_large_library(library: BundleLibrary) -> None:
    wanted = await library.asset("wanted.safetensors")
    pack = await library.asset("pack.zip", kind=AssetKind.CUSTOM_NODE)
    for number in range(20):
        await library.asset(f"other-{number}.safetensors")
    read: list[int] = []
    engine = library.control_plane.wiring.engine.sync_engine

    def count(_connection: object, cursor: object, statement: str, *_: object) -> None:
        if "array_agg" in statement:
            read.append(getattr(cursor, "rowcount", -1))

    event.listen(engine, "after_cursor_execute", count)
    assert await found(library, "wanted.safetensors") == [("library", wanted.id)]
    assert read == [2], (wanted.id, pack.id)
