"""An apply that is killed, at moments nobody chose: one of the two bundles is whole, and the next apply succeeds."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from subprocess import TimeoutExpired
from typing import Final

from tests.integration.machine.conftest import Shelf
from tests.integration.machine.faulty_store import faulty_store
from tests.integration.machine.machine import Machine

KILLS: Final = 25  # from each of the two stores
SEED: Final = 20260220
_SECONDS: Final = 60.0


def test_a_kill_leaves_the_old_or_the_new_bundle_whole(shelf: Shelf, tmp_path: Path) -> None:
    folders = {kind: tmp_path / kind for kind in ("disk", "http")}
    with ThreadPoolExecutor(len(folders)) as pool:
        tales = list(pool.map(lambda kind: _kill_often(kind, shelf, folders[kind]), folders))
    print("", *tales, sep="\n")
    assert len(tales) == len(folders)


def _kill_often(kind: str, shelf: Shelf, folder: Path) -> str:
    folder.mkdir()
    random, outcomes = Random(f"{SEED} {kind}"), Counter[str]()  # noqa: S311 - moments, no secrets
    with _machine_on(kind, shelf, folder) as machine:
        durations = _working_seconds(machine, shelf)
        old, new = shelf.old, shelf.new
        while outcomes["killed"] < KILLS:
            has_all_here = random.random() < 0.3
            if not has_all_here:
                _forget_unused(machine)
            moment = random.uniform(0, durations[has_all_here])
            if not _kill(machine, new, moment):
                outcomes["over by then"] += 1
            else:
                outcomes["killed"] += 1
                outcomes["killed in the switch"] += machine.journal.exists()
                found = machine.verified_bundle()
                assert found in {old, new}, (kind, SEED, moment)
                outcomes["old was whole" if found == old else "new was whole"] += 1
            machine.run("apply", new)
            assert machine.whole_bundle() == new, (kind, SEED, moment)
            old, new = new, old
    return f"{kind}, seed {SEED}, seconds of work {durations}: {dict(outcomes)}"


@contextmanager
def _machine_on(kind: str, shelf: Shelf, folder: Path) -> Iterator[Machine]:
    """Yield a machine that reads from the disk store or over HTTP."""
    if kind == "disk":
        yield Machine(folder, {"MODELS_FOLDER": str(shelf.library.folder)})
        return
    with faulty_store(shelf.library.folder) as store:
        yield Machine(folder, store.source)


def _working_seconds(machine: Machine, shelf: Shelf) -> dict[bool, float]:
    """Leave the old bundle; return how long an apply works, undisturbed, with all files here and with them to fetch."""
    for bundle_id in (shelf.new, shelf.old):  # the first bundle of a machine goes another way
        machine.run("apply", bundle_id)
    seconds = {True: _seconds(machine, shelf.new)}
    _forget_unused(machine)
    return {**seconds, False: _seconds(machine, shelf.old)}


def _seconds(machine: Machine, bundle_id: str) -> float:
    process = machine.start("apply", bundle_id)
    _await_first_line(machine)
    began = time.monotonic()
    process.communicate(timeout=_SECONDS)
    assert process.returncode == 0
    return round(time.monotonic() - began, 3)


def _kill(machine: Machine, bundle_id: str, moment: float) -> bool:
    """Kill an apply so many seconds after it began to work; return whether it still ran."""
    process = machine.start("apply", bundle_id)
    _await_first_line(machine)
    try:
        process.communicate(timeout=moment)
    except TimeoutExpired:
        process.kill()
        process.communicate(timeout=_SECONDS)
        return True
    assert process.returncode == 0
    return False


def _await_first_line(machine: Machine) -> None:
    """Return when an apply that was just started, and has not loaded its code yet, begins to work."""
    deadline = time.monotonic() + _SECONDS
    seen = machine.log.stat().st_size
    while machine.log.stat().st_size == seen:
        assert time.monotonic() < deadline, "the apply says nothing"
        time.sleep(0.001)


def _forget_unused(machine: Machine) -> None:
    """Remove what the bundle before has left, as a machine does that needs room."""
    for path in (machine.store / "objects").iterdir():
        if path.stat().st_nlink == 1:
            path.unlink()
    (machine.store / "previous.json").unlink(missing_ok=True)
