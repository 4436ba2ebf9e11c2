"""After a kill the next run reads from the store only what is missing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.integration.machine.faulty_store import FaultyStore
from tests.integration.machine.library import MIB, Library, digest_of, key_of, random_item
from tests.integration.machine.machine import Machine

RANGE: Final = 4 * MIB
LARGE: Final = [random_item(number, 26 * MIB + number) for number in (1, 2)]
BUNDLE: Final = {f"models/checkpoints/{number}.safetensors": item for number, item in enumerate(LARGE)}


@dataclass(frozen=True)
class Range:
    key: str
    start: int
    length: int


def all_ranges() -> set[Range]:
    return {
        Range(key_of(item), start, min(RANGE, len(item.content) - start))
        for item in LARGE
        for start in range(0, len(item.content), RANGE)
    }


def ranges_here(machine: Machine) -> set[Range]:
    """Return the ranges that a killed run has noted as written."""
    notes = {key_of(item): machine.store / "partial" / f"{digest_of(item)}.ranges" for item in LARGE}
    written = {key: note.read_bytes() if note.exists() else b"" for key, note in notes.items()}
    return {one for one in all_ranges() if any(written[one.key][one.start // RANGE :][:1])}


def kill_in_the_middle(remote: Machine, faulty: FaultyStore, bundle_id: str, requests: int) -> None:
    """Kill an apply while the store holds back what comes after so many requests."""
    faulty.hold_after = requests
    process = remote.start("apply", bundle_id)
    faulty.wait_until_served(requests + 1)
    process.kill()
    process.communicate(timeout=60)


def test_only_ranges_that_are_missing_are_read(remote: Machine, faulty: FaultyStore, library: Library) -> None:
    bundle_id = library.add_bundle(1, BUNDLE)
    kill_in_the_middle(remote, faulty, bundle_id, requests=9)
    here = ranges_here(remote)
    assert 5 <= len(here) <= 9
    faulty.begin_anew()
    remote.run("apply", bundle_id)
    asked = [Range(one.key, one.start, one.length) for one in faulty.served]
    assert len(asked) == len(set(asked))
    assert set(asked) == all_ranges() - here
    assert remote.whole_bundle() == bundle_id


def test_a_run_that_is_killed_again_and_again_still_gets_there(
    remote: Machine, faulty: FaultyStore, library: Library
) -> None:
    bundle_id = library.add_bundle(1, BUNDLE)
    total = 0
    for _ in range(3):
        kill_in_the_middle(remote, faulty, bundle_id, requests=3)
        total += faulty.served_bytes
        faulty.begin_anew()
    remote.run("apply", bundle_id)
    total += faulty.served_bytes
    assert remote.whole_bundle() == bundle_id
    at_most_lost = 3 * 4 * RANGE  # what four connections had in hand at each kill
    assert total <= sum(len(item.content) for item in LARGE) + at_most_lost


def test_bytes_that_the_disk_lost_are_noticed(remote: Machine, faulty: FaultyStore, library: Library) -> None:
    bundle_id = library.add_bundle(1, BUNDLE)
    kill_in_the_middle(remote, faulty, bundle_id, requests=9)
    lost = max(ranges_here(remote), key=lambda one: one.length)
    with (remote.store / "partial" / lost.key.rpartition("/")[2]).open("r+b") as file:
        file.seek(lost.start)
        file.write(bytes(lost.length))
    faulty.begin_anew()
    remote.run("apply", bundle_id)
    assert remote.whole_bundle() == bundle_id


def test_the_same_bundle_again_reads_nothing_and_its_next_version_only_what_is_new(
    remote: Machine, faulty: FaultyStore, library: Library
) -> None:
    old = library.add_bundle(1, BUNDLE)
    remote.run("apply", old)
    faulty.begin_anew()
    remote.run("apply", old)
    remote.run("apply", old, "--refresh")
    assert faulty.served == []
    added = random_item(3, 5 * MIB)
    new = library.add_bundle(2, {**BUNDLE, "models/vae/added.safetensors": added})
    plan = remote.ask("apply", new, "--dry-run")
    assert (plan["fetch_bytes"], plan["remove"]) == (5 * MIB, [])
    remote.run("apply", new)
    assert {one.key for one in faulty.served} == {key_of(added)}
    assert remote.whole_bundle() == new


def test_files_that_stand_there_already_are_read_and_not_fetched(
    remote: Machine, faulty: FaultyStore, library: Library, tmp_path: Path
) -> None:
    bundle_id = library.add_bundle(1, BUNDLE)
    first, second = BUNDLE
    (remote.root / first).parent.mkdir(parents=True)
    (remote.root / first).write_bytes(BUNDLE[first].content)
    (remote.root / second).write_bytes(bytes(len(BUNDLE[second].content)))
    remote.run("apply", bundle_id)
    assert {one.key for one in faulty.served} == {key_of(BUNDLE[second])}
    assert remote.whole_bundle() == bundle_id
    displaced = remote.store / "displaced" / bundle_id / second
    assert displaced.read_bytes() == bytes(len(BUNDLE[second].content))
