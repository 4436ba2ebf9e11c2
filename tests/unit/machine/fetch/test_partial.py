"""The part of an object that is on this disk."""

import mmap
import os
from pathlib import Path

import pytest

from comfyfleet.machine.errors import DiskFull, DiskRefuses
from comfyfleet.machine.fetch.buffers import BUFFER_BYTES, BufferPool
from comfyfleet.machine.fetch.partial import PartialFile, disk_errors, ranges_of

SIZE = 2 * BUFFER_BYTES + 12_345


def buffer_of(byte: int) -> mmap.mmap:
    buffer = mmap.mmap(-1, BUFFER_BYTES)
    buffer.write(bytes([byte]) * BUFFER_BYTES)
    return buffer


@pytest.mark.parametrize(
    ("size", "lengths"),
    [
        (0, [0]),
        (1, [1]),
        (BUFFER_BYTES - 1, [BUFFER_BYTES - 1]),
        (BUFFER_BYTES, [BUFFER_BYTES]),
        (BUFFER_BYTES + 1, [BUFFER_BYTES, 1]),
        (2 * BUFFER_BYTES, [BUFFER_BYTES, BUFFER_BYTES]),
    ],
)
def test_an_object_is_cut_into_ranges(size: int, lengths: list[int], tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", size) as partial:
        assert [partial.length_of(index) for index in range(partial.range_count)] == lengths
        assert [partial.offset_of(index) for index in range(partial.range_count)] == [
            sum(lengths[:index]) for index in range(len(lengths))
        ]


def test_ranges_that_were_written_are_there_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "part"
    with PartialFile(path, SIZE) as partial:
        assert partial.present() == b"\0\0\0"
        partial.write(2, buffer_of(3))
        partial.write(0, buffer_of(1))
    with PartialFile(path, SIZE) as partial:
        assert partial.present() == b"\1\0\1"
        read = mmap.mmap(-1, BUFFER_BYTES)
        partial.read_into(2, read)
        assert read[: partial.length_of(2)] == b"\3" * 12_345
        partial.write(1, buffer_of(2))
        partial.finish()
    assert path.read_bytes() == b"\1" * BUFFER_BYTES + b"\2" * BUFFER_BYTES + b"\3" * 12_345


def test_an_object_of_one_range_leaves_no_note(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", BUFFER_BYTES) as partial:
        partial.write(0, buffer_of(1))
    assert not ranges_of(tmp_path / "part").exists()
    with PartialFile(tmp_path / "part", BUFFER_BYTES) as partial:
        assert partial.present() == b"\0"


def test_what_is_discarded_is_fetched_again(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", SIZE) as partial:
        partial.write(0, buffer_of(1))
        partial.discard()
    with PartialFile(tmp_path / "part", SIZE) as partial:
        assert partial.present() == b"\0\0\0"


def test_the_room_for_a_large_file_is_taken_at_once(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", SIZE):
        assert (tmp_path / "part").stat().st_blocks * 512 >= SIZE


def test_a_file_that_is_shorter_than_noted_is_told(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", SIZE) as partial:
        partial.write(0, buffer_of(1))
        os.truncate(tmp_path / "part", 10)
        with pytest.raises(DiskRefuses, match="shorter than noted"):
            partial.read_into(0, mmap.mmap(-1, BUFFER_BYTES))


def test_the_disks_errors_become_ours(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(DiskFull), disk_errors():
        full.write(b"x")
    with pytest.raises(DiskRefuses, match="nowhere"), disk_errors():
        (tmp_path / "nowhere" / "file").touch()
    with pytest.raises(DiskFull, match="as it is"), disk_errors():
        raise DiskFull("as it is")
    with pytest.raises(ZeroDivisionError), disk_errors():
        raise ZeroDivisionError


def test_a_closed_pool_gives_nobody_a_buffer() -> None:
    pool = BufferPool(1)
    buffer = pool.take()
    assert buffer is not None
    pool.give_back(buffer)
    pool.close()
    assert pool.take() is None
