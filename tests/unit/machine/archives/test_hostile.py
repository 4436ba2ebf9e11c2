"""Every archive of the corpus is refused for its reason, and harms nothing."""

import hashlib
import io
import os
from pathlib import Path

import pytest
from tests.unit.machine.archives.corpus import HOSTILE, Hostile

from comfyfleet.core.archives import ArchiveLimits, ArchiveRefused, Reason, list_members
from comfyfleet.machine.unpacking import unpack


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Return everything below a folder: modes, and bytes or a link's target."""
    found: dict[str, tuple[int, str]] = {}
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            content = str(path.readlink())
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, content)
    return found


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Return a folder of others' files, two levels above which an archive is unpacked."""
    (tmp_path / "up").write_text("mine")
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "up").write_text("mine, too")
    (tmp_path / "stage" / "neighbour").mkdir()
    return tmp_path


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.title)
def test_a_hostile_archive_is_refused_and_nothing_is_left(hostile: Hostile, world: Path) -> None:
    archive = world / "archive"
    archive.write_bytes(hostile.build())
    before = snapshot(world)
    with pytest.raises(ArchiveRefused) as refused:
        unpack(archive, hostile.action, world / "stage" / "Node", limits=hostile.limits)
    assert refused.value.reason is hostile.reason, refused.value.message
    assert refused.value.code == "archive_refused"
    assert snapshot(world) == before


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.title)
def test_a_listing_tells_of_the_same_problem(hostile: Hostile) -> None:
    listing = list_members(io.BytesIO(hostile.build()), hostile.action, limits=hostile.limits)
    if hostile.is_listable:
        assert listing.problem is None
        return
    assert listing.problem is not None
    sizes = {Reason.BOMB, Reason.TOO_LARGE}
    assert listing.problem.reason is hostile.reason or {listing.problem.reason, hostile.reason} <= sizes


def test_titles_of_the_corpus_are_different() -> None:
    assert len({hostile.title for hostile in HOSTILE}) == len(HOSTILE)


def test_every_reason_is_in_the_corpus() -> None:
    assert {hostile.reason for hostile in HOSTILE} == set(Reason)


def test_a_refusal_names_the_member_and_keeps_control_characters_from_the_terminal(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    escape = next(hostile for hostile in HOSTILE if "2Jb" in hostile.title and "pax" in hostile.title)
    archive.write_bytes(escape.build())
    with pytest.raises(ArchiveRefused) as refused:
        unpack(archive, escape.action, tmp_path / "Node")
    assert refused.value.member == "a\x1b[2Jb"
    assert "\x1b" not in str(refused.value)


def test_limits_that_nobody_gave_hold(tmp_path: Path) -> None:
    limits = ArchiveLimits()
    assert (limits.max_members, limits.max_ratio, limits.max_depth) == (50_000, 100, 64)
    assert os.listdir(tmp_path) == []  # noqa: PTH208
