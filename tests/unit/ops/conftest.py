"""A cloud in memory for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.clouds.fleet import MemoryCloud, Recorder


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryCloud]:
    memory = MemoryCloud(tmp_path)
    yield memory
    memory.commands.end_all()


@pytest.fixture
def reporter() -> Recorder:
    return Recorder()
