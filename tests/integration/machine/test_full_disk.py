"""A disk that is too small, or that others fill meanwhile: the old bundle stays, and the new one comes after room is
made. The disk is a tmpfs, which takes the right to mount: that of the superuser, in a namespace of our own if need be.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.integration.machine.faulty_store import FaultyStore
from tests.integration.machine.library import MIB, Library, node_archive, random_item
from tests.integration.machine.machine import Machine

from comfyfleet.machine.errors import DiskFull
from comfyfleet.machine.fetch.partial import disk_errors

OLD: Final = {"models/vae/old.safetensors": random_item(1, 4 * MIB), "custom_nodes/a": node_archive({"a.py": b"1"})}
NEW: Final = {
    **{f"models/checkpoints/{number}.safetensors": random_item(number, 12 * MIB) for number in range(2, 6)},
    "custom_nodes/a": node_archive({"a.py": b"2"}),
}


def mount_tmpfs(folder: Path, size_mib: int) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"These tests mount a small tmpfs, which was refused: {done.stderr.strip()}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 160 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount_tmpfs(folder, 160)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def cramped(small_disk: Path, faulty: FaultyStore) -> Machine:
    """A machine all of which, its log too, lies on that disk; it takes room for two files at a time."""
    return Machine(small_disk, {**faulty.source, "FETCH_CONNECTIONS": "3"})


def fill(folder: Path, leave: int) -> Path:
    """Fill the disk of a folder but for so many bytes; return the file that does."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(DiskFull), disk_errors():
        while (room := free_bytes(folder) - leave) > 0:
            file.write(bytes(min(MIB, room)))
    assert free_bytes(folder) <= leave
    return ballast


def free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@pytest.mark.skipif(os.geteuid() == 0, reason="the tests below can mount by themselves")
def test_all_of_this_in_a_namespace() -> None:
    command = ["unshare", "-rm", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="runs in test_all_of_this_in_a_namespace")


@needs_root
def test_a_disk_that_is_too_small_shows_before_the_first_byte(
    cramped: Machine, faulty: FaultyStore, library: Library
) -> None:
    old, new = library.add_bundle(1, OLD), library.add_bundle(2, NEW)
    cramped.run("apply", old)
    ballast = fill(cramped.folder, leave=100 * MIB)  # the bundle has 48 MiB, and 64 stay free
    faulty.begin_anew()
    assert "of room" in cramped.run("apply", new, code=6)
    assert faulty.served == []
    assert cramped.verified_bundle() == old
    ballast.unlink()
    cramped.run("apply", new)
    assert cramped.whole_bundle() == new


@needs_root
@pytest.mark.parametrize("leave", [0, 14 * MIB])
def test_a_disk_that_others_fill_meanwhile_costs_only_this_run(
    leave: int, cramped: Machine, faulty: FaultyStore, library: Library
) -> None:
    old, new = library.add_bundle(1, OLD), library.add_bundle(2, NEW)
    cramped.run("apply", old)
    faulty.begin_anew()
    faulty.hold_after = 3
    process = cramped.start("apply", new)
    faulty.wait_until_served(4)
    ballast = fill(cramped.folder, leave)
    faulty.begin_anew()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 6, said
    assert "The disk is full" in said
    assert cramped.verified_bundle() == old
    ballast.unlink()
    cramped.run("apply", new)
    assert cramped.whole_bundle() == new


@needs_root
def test_the_bundle_before_is_given_up_for_the_one_that_is_wanted(cramped: Machine, library: Library) -> None:
    bundles = [
        library.add_bundle(number, {f"models/vae/{number}.safetensors": random_item(number, 40 * MIB)})
        for number in (1, 2, 3)
    ]
    for bundle_id in bundles:  # three of them and 64 MiB are more than the disk has
        cramped.run("apply", bundle_id)
        assert cramped.whole_bundle() == bundle_id
    assert cramped.ask("rollback")["bundle_id"] == bundles[1]
    assert "not here any more" not in cramped.run("apply", bundles[2])
