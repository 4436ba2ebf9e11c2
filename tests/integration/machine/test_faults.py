"""A store that fails: the machine keeps its bundle, and gets the new one as soon as the store lets it."""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from tests.integration.machine.faulty_store import Asked, Fault, FaultyStore, Misfortune, Temper, faulty_store
from tests.integration.machine.library import MIB, Item, Library, key_of, node_archive, random_item
from tests.integration.machine.machine import Machine

SEED: Final = 20260221
OLD: Final = {"models/vae/old.safetensors": random_item(1, 5 * MIB), "custom_nodes/a": node_archive({"a.py": b"1"})}
LARGE: Final = random_item(2, 21 * MIB + 5)
NEW: Final = {
    "models/checkpoints/large.safetensors": LARGE,
    "models/vae/exact.safetensors": random_item(3, 8 * MIB),
    "models/embeddings/empty.pt": Item(b"", kind="embedding"),
    "custom_nodes/a": node_archive({"a.py": b"2"}),
    **{f"models/loras/s{number}.safetensors": random_item(10 + number, 40_000 + number) for number in range(12)},
}


def large_range(misfortune: Misfortune, times: int | None = None) -> Temper:
    """Let the second range of the large file fail, always or so many times."""

    def temper(asked: Asked) -> Misfortune | None:
        is_due = times is None or asked.number <= times
        return misfortune if asked.key == key_of(LARGE) and asked.start == 4 * MIB and is_due else None

    return temper


def every_range_once(misfortunes: Sequence[Misfortune]) -> Temper:
    """Let each range of the large file fail once, each in its way."""

    def temper(asked: Asked) -> Misfortune | None:
        is_due = asked.key == key_of(LARGE) and asked.number == 1
        return misfortunes[asked.start // (4 * MIB)] if is_due else None

    return temper


def cut_at_random(random: Random) -> Temper:
    """Cut a third of all answers, the manifest's too, at random bytes; none of them more than three times."""

    def temper(asked: Asked) -> Misfortune | None:
        is_cut = asked.number <= 3 and random.random() < 0.33
        return Misfortune(Fault.CUT, random.randrange(max(1, asked.length))) if is_cut else None

    return temper


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[Machine, FaultyStore, str, str]]:
    """Yield a machine with the old bundle, the store it reads from, and the ids of the old and the new bundle."""
    folder.mkdir(exist_ok=True)
    library = Library(folder / "models")
    old, new = library.add_bundle(1, OLD), library.add_bundle(2, NEW)
    with faulty_store(library.folder) as store:
        machine = Machine(folder, store.source)
        machine.run("apply", old)
        store.begin_anew()
        yield machine, store, old, new


def test_ranges_that_fail_once_are_read_again(tmp_path: Path) -> None:
    ways = [
        Misfortune(Fault.CUT, at=0),
        Misfortune(Fault.CUT, at=1_000_003),
        Misfortune(Fault.SHORT, at=3 * MIB),
        Misfortune(Fault.BUSY),
        Misfortune(Fault.SHORT, at=0),
        Misfortune(Fault.CUT, at=MIB),
    ]
    with prepared(tmp_path) as (machine, store, _, new):
        store.begin_anew(every_range_once(ways))
        machine.run("apply", new)
        assert machine.whole_bundle() == new
        asked = sorted(asked.start for asked in store.served if asked.key == key_of(LARGE))
        assert asked == sorted([number * 4 * MIB for number in range(6)] * 2), "each range twice, no other once more"


def test_a_file_whose_bytes_were_wrong_is_read_again_whole(tmp_path: Path) -> None:
    with prepared(tmp_path) as (machine, store, _, new):
        store.begin_anew(large_range(Misfortune(Fault.WRONG, at=77), times=1))
        machine.run("apply", new)
        assert machine.whole_bundle() == new
        assert len([asked for asked in store.served if asked.key == key_of(LARGE)]) == 12


def test_connections_that_end_at_random_bytes_cost_only_time(tmp_path: Path) -> None:
    with prepared(tmp_path) as (machine, store, _, new):
        store.begin_anew(cut_at_random(Random(SEED)))  # noqa: S311 - moments, no secrets
        machine.run("apply", new)
        assert machine.whole_bundle() == new, SEED
        assert any(asked.number > 1 for asked in store.served)


def test_what_always_goes_wrong_leaves_the_old_bundle(tmp_path: Path) -> None:
    """All at once: most of the time is spent on waiting between tries."""
    cases = [
        (Misfortune(Fault.WRONG, at=5), 5, "is not what its name says"),
        (Misfortune(Fault.EXPIRED), 3, "refuses"),
        (Misfortune(Fault.CUT, at=12_345), 4, "cannot be read"),
        (Misfortune(Fault.SHORT, at=12_345), 4, "cannot be read"),
        (Misfortune(Fault.BUSY), 4, "answered 503"),
    ]
    with ThreadPoolExecutor(len(cases) + 1) as pool:
        waiting = [pool.submit(_suffer, tmp_path / case[0].fault, *case) for case in cases]
        waiting.append(pool.submit(_lose_the_store, tmp_path / "lost"))
    for one in waiting:
        one.result()


def _suffer(folder: Path, misfortune: Misfortune, code: int, words: str) -> None:
    with prepared(folder) as (machine, store, old, new):
        store.begin_anew(large_range(misfortune))
        assert words in machine.run("apply", new, code=code)
        assert machine.verified_bundle() == old
        store.begin_anew()
        machine.run("apply", new)
        assert machine.whole_bundle() == new


def _lose_the_store(folder: Path) -> None:
    with prepared(folder) as (machine, _, old, new):
        pass
    assert "cannot be read" in machine.run("apply", new, code=4)
    assert machine.verified_bundle() == old
    assert "in place already" in machine.run("apply", old), "what is here needs no store"


def test_a_store_that_stalls_is_waited_for_and_a_kill_meanwhile_harms_nothing(tmp_path: Path) -> None:
    with prepared(tmp_path) as (machine, store, old, new):
        store.begin_anew(large_range(Misfortune(Fault.STALL, at=99_999)))
        process = machine.start("apply", new)
        store.wait_until_served(10)
        process.kill()
        process.communicate(timeout=60)
        assert machine.verified_bundle() == old
        store.begin_anew()
        machine.run("apply", new)
        assert machine.whole_bundle() == new


def test_an_apply_that_is_interrupted_says_so_and_keeps_what_came(tmp_path: Path) -> None:
    with prepared(tmp_path) as (machine, store, old, new):
        store.hold_after = 8
        process = machine.start("apply", new)
        store.wait_until_served(9)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert machine.verified_bundle() == old
        store.begin_anew()
        machine.run("apply", new)
        assert machine.whole_bundle() == new
        assert store.served_bytes < sum(len(item.content) for item in NEW.values())


def test_objects_and_manifests_that_are_missing_are_named(tmp_path: Path) -> None:
    with prepared(tmp_path) as (machine, store, old, new):
        path = store.data / key_of(LARGE)
        path.rename(tmp_path / "elsewhere")
        assert key_of(LARGE) in machine.run("apply", new, code=5)
        assert machine.verified_bundle() == old
        (tmp_path / "elsewhere").rename(path)
        machine.run("apply", new)
        absent = new.replace("2", "3")
        assert f"bundles/{absent}/manifest.json" in machine.run("apply", absent, code=5)
        assert machine.whole_bundle() == new
