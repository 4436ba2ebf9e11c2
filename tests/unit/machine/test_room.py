"""Room is made by forgetting what is needed least."""

import os
from pathlib import Path

import pytest
from tests.unit.machine.building import Machine, bundle, entry

from comfyfleet.machine.errors import DiskFull
from comfyfleet.machine.places import Places
from comfyfleet.machine.room import digests_of, keep_within, make_room, tidy
from comfyfleet.machine.state import Installed

IMPOSSIBLE = 10**18


def stored(places: Places, name: str, *, used_at: int, size: int = 1000) -> Path:
    path = places.objects / name
    path.write_bytes(bytes(size))
    os.utime(path, (used_at, 1))
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_nothing_is_forgotten_while_there_is_room(machine: Machine) -> None:
    stored(machine.places, "a", used_at=1)
    assert make_room(machine.places, 1, set()) == 0
    assert names(machine.places.objects) == {"a"}


def test_what_is_kept_or_linked_stays_though_room_is_short(machine: Machine) -> None:
    for name in ("kept", "linked", "idle", "spared"):
        stored(machine.places, name, used_at=1)
    os.link(machine.places.objects / "linked", machine.folder / "elsewhere")
    for name in ("kept", "other"):
        (machine.places.partial / name).write_bytes(b"part")
        (machine.places.partial / f"{name}.ranges").write_bytes(b"\1")
    with pytest.raises(DiskFull, match="GB are free below"):
        make_room(machine.places, IMPOSSIBLE, {"kept"}, spare={"spared"})
    assert names(machine.places.objects) == {"kept", "linked"}
    assert names(machine.places.partial) == {"kept", "kept.ranges"}


def test_the_longest_unused_goes_first(machine: Machine) -> None:
    for name, used_at in (("middle", 2), ("oldest", 1), ("newest", 3)):
        stored(machine.places, name, used_at=used_at)
    assert keep_within(machine.places, 2999, set()) == 1000
    assert names(machine.places.objects) == {"middle", "newest"}
    assert keep_within(machine.places, 1999, {"middle"}) == 1000
    assert names(machine.places.objects) == {"middle"}
    assert keep_within(machine.places, 0, {"middle"}) == 0
    assert keep_within(machine.places, 0, set()) == 1000
    assert names(machine.places.objects) == set()


def test_what_an_apply_leaves_behind_goes_but_not_the_trees_of_the_bundle_before(machine: Machine) -> None:
    places = machine.places
    before = Installed(bundle(1, machine.tree("custom_nodes/pack", {"p.py": b"1"})))
    kept = places.retired_of(before.manifest.entries[0])
    for folder in (kept, places.retired / "older", places.staged / "half", places.links / "folder"):
        folder.mkdir()
        (folder / "file").write_bytes(b"f")
    (places.retired / "link").symlink_to(places.objects)
    (places.partial / "part").write_bytes(b"p")
    (places.links / "link").write_bytes(b"l")
    stored(places, "object", used_at=1)
    tidy(places, before, is_complete=False)
    assert names(places.retired) == {kept.name}
    assert names(places.staged) == set()
    assert names(places.partial) == {"part"}
    assert names(places.links) == {"folder", "link"}
    tidy(places, None, is_complete=True)
    assert names(places.retired) == names(places.partial) == names(places.links) == set()
    assert names(places.objects) == {"object"}


def test_the_digests_of_a_bundle() -> None:
    one = entry("models/vae/a", b"a")
    assert digests_of(bundle(1, one, entry("models/vae/b", b"a"))) == {one.sha256}
    assert digests_of(None) == set()
