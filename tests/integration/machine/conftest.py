"""A library of bundles, the stores that serve it, and machines that apply from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.machine.faulty_store import FaultyStore, faulty_store
from tests.integration.machine.library import MIB, Item, Library, node_archive, random_item
from tests.integration.machine.machine import Machine


@dataclass(frozen=True)
class Shelf:
    """A library with two bundles that share a part of their files. Each has a custom node made with tar."""

    library: Library
    old: str
    new: str


def bundle_items(version: int) -> dict[str, Item]:
    """Return files of 8 to 24 MiB, small ones, and a custom node; one large file is the same in every version."""
    large = {
        f"models/checkpoints/c{version}-{size}.safetensors": random_item(100 * version + size, size * MIB)
        for size in (24, 8)
    }
    small = {
        f"models/embeddings/{version}/e{number}.pt": random_item(1000 * version + number, 3000 + 17 * number)
        for number in range(60)
    }
    sources = {f"part{number}.py": b"value = %d\n" % (version + number) for number in range(60)}
    node = node_archive({"__init__.py": b"VERSION = %d\n" % version, **sources})
    shared = random_item(7, 8 * MIB)
    return {**large, **small, "models/vae/shared.safetensors": shared, "custom_nodes/pack": node}


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    library = Library(tmp_path_factory.mktemp("models"))
    return Shelf(library, library.add_bundle(1, bundle_items(1)), library.add_bundle(2, bundle_items(2)))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A library of the test's own."""
    return Library(tmp_path / "models")


@pytest.fixture
def faulty(library: Library) -> Iterator[FaultyStore]:
    """The test's own library over HTTP."""
    with faulty_store(library.folder) as store:
        yield store


@pytest.fixture
def machine(tmp_path: Path, library: Library) -> Machine:
    """A machine that reads from the test's own library on this disk."""
    return Machine(tmp_path, {"MODELS_FOLDER": str(library.folder)})


@pytest.fixture
def remote(tmp_path: Path, faulty: FaultyStore) -> Machine:
    """A machine that reads from the test's own library over HTTP, with at most four ranges in hand."""
    return Machine(tmp_path, {**faulty.source, "FETCH_CONNECTIONS": "4"})
