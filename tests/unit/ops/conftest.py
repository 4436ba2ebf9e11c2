"""A cloud in memory for each test."""

from pathlib import Path

import pytest
from tests.support.clouds.fleet import MemoryCloud, Recorder


@pytest.fixture
def memory(tmp_path: Path) -> MemoryCloud:
    return MemoryCloud(tmp_path)


@pytest.fixture
def reporter() -> Recorder:
    return Recorder()
