"""Ranges arrive in any order, and are hashed in theirs."""

import hashlib
import itertools
import mmap
import threading
from pathlib import Path
from random import Random

import pytest

from comfyfleet.machine.fetch.buffers import BUFFER_BYTES
from comfyfleet.machine.fetch.partial import PartialFile
from comfyfleet.machine.fetch.stream import ObjectStream

SIZE = 3 * BUFFER_BYTES + 77
CONTENT = Random(5).randbytes(SIZE)  # noqa: S311 - bytes, no secrets
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def range_of(index: int) -> mmap.mmap:
    buffer = mmap.mmap(-1, BUFFER_BYTES)
    buffer.write(CONTENT[index * BUFFER_BYTES :][:BUFFER_BYTES])
    return buffer


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_the_digest_is_right_in_whatever_order_ranges_arrive(order: tuple[int, ...], tmp_path: Path) -> None:
    given_back: list[mmap.mmap] = []
    with PartialFile(tmp_path / "part", SIZE) as partial:
        stream = ObjectStream(partial, given_back.append)
        is_whole = [stream.arrived(index, range_of(index)) for index in order]
    assert is_whole == [False, False, False, True]
    assert stream.digest() == DIGEST
    assert len(given_back) == 4


def test_a_buffer_is_free_as_soon_as_it_is_hashed(tmp_path: Path) -> None:
    given_back: list[mmap.mmap] = []
    with PartialFile(tmp_path / "part", SIZE) as partial:
        stream = ObjectStream(partial, given_back.append)
        stream.arrived(1, range_of(1))
        stream.arrived(3, range_of(3))
        assert given_back == []
        stream.arrived(0, range_of(0))
        assert len(given_back) == 2
        stream.arrived(2, range_of(2))
        assert len(given_back) == 4


def test_threads_that_bring_ranges_at_once_agree(tmp_path: Path) -> None:
    for round_ in range(20):
        buffers = [range_of(index) for index in range(4)]
        start, whole = threading.Barrier(4), []
        with PartialFile(tmp_path / str(round_), SIZE) as partial:
            stream = ObjectStream(partial, lambda _buffer: None)

            def bring(index: int, stream: ObjectStream = stream, buffer: list[mmap.mmap] = buffers) -> None:
                start.wait(60)  # noqa: B023 - the threads end in this round
                whole.append(stream.arrived(index, buffer[index]))  # noqa: B023

            threads = [threading.Thread(target=bring, args=(index,)) for index in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
        assert sorted(whole) == [False, False, False, True]
        assert stream.digest() == DIGEST


def test_an_empty_object_is_whole_with_its_only_range(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part", 0) as partial:
        stream = ObjectStream(partial, lambda _buffer: None)
        assert stream.arrived(0, mmap.mmap(-1, BUFFER_BYTES))
    assert stream.digest() == hashlib.sha256(b"").hexdigest()
