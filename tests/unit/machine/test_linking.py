"""A file of the store comes to its target in one step."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from comfyfleet.machine.linking import STAMP_SECONDS, has_stamp, is_stamped, link_into_place, stamp

MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Place:
    source: Path
    target: Path
    scratch: Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    source, scratch = tmp_path / "source", tmp_path / "scratch"
    source.write_bytes(b"bytes")
    scratch.mkdir()
    stamp(source)
    return Place(source, tmp_path / "target", scratch)


@pytest.fixture
def distant(place: Place) -> Iterator[Place]:
    """A target on another file system."""
    assert MEMORY.is_dir(), f"{MEMORY} is needed as another file system"
    assert MEMORY.stat().st_dev != place.source.stat().st_dev
    with TemporaryDirectory(dir=MEMORY) as folder:
        yield Place(place.source, Path(folder) / "target", place.scratch)


def test_the_target_becomes_the_same_file(place: Place) -> None:
    link_into_place(place.source, place.target, place.scratch)
    assert place.target.samefile(place.source)
    link_into_place(place.source, place.target, place.scratch)
    assert place.target.samefile(place.source)
    assert list(place.scratch.iterdir()) == []


def test_what_stood_there_is_replaced(place: Place, tmp_path: Path) -> None:
    place.target.write_bytes(b"other")
    link_into_place(place.source, place.target, place.scratch)
    assert place.target.samefile(place.source)
    link = tmp_path / "link"
    link.symlink_to(place.source)
    link_into_place(place.source, link, place.scratch)
    assert not link.is_symlink()
    assert link.samefile(place.source)


def test_on_another_file_system_it_is_copied(distant: Place) -> None:
    link_into_place(distant.source, distant.target, distant.scratch)
    assert distant.target.read_bytes() == b"bytes"
    assert is_stamped(distant.target, 5)
    assert list(distant.scratch.iterdir()) == []
    assert list(distant.target.parent.iterdir()) == [distant.target]


def test_what_a_killed_copy_left_is_written_over(distant: Place) -> None:
    left = distant.target.with_name(f".target.{distant.source.name}.new")
    left.write_bytes(b"half of a long file")
    link_into_place(distant.source, distant.target, distant.scratch)
    assert list(distant.target.parent.iterdir()) == [distant.target]


def test_a_failure_leaves_what_was_there(place: Place) -> None:
    place.target.mkdir()
    with pytest.raises(IsADirectoryError):
        link_into_place(place.source, place.target, place.scratch)
    assert place.target.is_dir()
    assert list(place.scratch.iterdir()) == []


def test_the_stamp_shows_who_wrote_to_a_file(place: Place) -> None:
    assert is_stamped(place.source, 5)
    assert has_stamp(place.source)
    assert not is_stamped(place.source, 6)
    with place.source.open("r+b") as file:
        file.write(b"x")
    assert not is_stamped(place.source, 5)
    assert not has_stamp(place.source)


def test_links_folders_and_nothing_have_no_stamp(place: Place, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place.source)
    (tmp_path / "folder").mkdir()
    os.utime(tmp_path / "folder", (STAMP_SECONDS, STAMP_SECONDS))
    for name in ("link", "folder", "nothing", "source/below"):
        assert not has_stamp(tmp_path / name)
