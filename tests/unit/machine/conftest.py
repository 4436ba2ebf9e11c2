"""A machine of the test's own."""

from pathlib import Path

import pytest
from tests.unit.machine.building import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.places.make()
    return machine
