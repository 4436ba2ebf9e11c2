"""Writes as many bytes as a bundle has from memory to disk and nothing else: no program can be faster.

    python -S -E direct_write.py FOLDER INDEX [THREADS]

INDEX is the JSON list of the files' sizes. Space is set aside first (fallocate), then 4 MiB at a time go past the
page cache (O_DIRECT) where the file system can, and each file is on disk (fsync) before the program ends.
"""

import json
import mmap
import os
import sys
import threading
from collections.abc import Iterator

BUFFER_BYTES = 4 * 2**20
BLOCK_BYTES = 4096
DIRECT_FROM = 2**20


def main(folder: str, index: str, threads: int) -> None:
    """Write files of all sizes into the folder."""
    with open(index, encoding="utf-8") as file:  # noqa: PTH123
        sizes = sorted(json.load(file), reverse=True)
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    turns = iter(enumerate(sizes))
    lock = threading.Lock()
    workers = [threading.Thread(target=_work, args=(folder, turns, lock)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    _sync(folder)


def _work(folder: str, turns: Iterator[tuple[int, int]], lock: threading.Lock) -> None:
    memory = mmap.mmap(-1, BUFFER_BYTES)  # page-aligned, as O_DIRECT wants it
    memory[:] = os.urandom(BUFFER_BYTES)
    while True:
        with lock:
            turn = next(turns, None)
        if turn is None:
            return
        write_file(os.path.join(folder, f"file-{turn[0]}"), turn[1], memory)  # noqa: PTH118


def write_file(path: str, size: int, memory: mmap.mmap) -> None:
    """Write `size` bytes to a new file, durable when this returns."""
    file = _open(path, direct=size >= DIRECT_FROM)
    try:
        if size:
            os.posix_fallocate(file, 0, size)
        with memoryview(memory) as view:
            for start in range(0, size, BUFFER_BYTES):
                length = min(BUFFER_BYTES, size - start)
                os.pwrite(file, view[: -(-length // BLOCK_BYTES) * BLOCK_BYTES], start)
        os.ftruncate(file, size)  # the last block was written whole
        os.fsync(file)
    finally:
        os.close(file)


def _open(path: str, *, direct: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    if direct and hasattr(os, "O_DIRECT"):
        try:
            return os.open(path, flags | os.O_DIRECT, 0o644)
        except OSError:
            pass  # a file system without it: through the page cache then
    return os.open(path, flags, 0o644)


def _sync(folder: str) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 2)
