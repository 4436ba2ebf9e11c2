"""Hashes all files of a folder whose names are SHA-256 digests; exit status 1 when one is wrong.

    python -S -E hash_pass.py FOLDER

What a careful operator runs after a copy: hashlib (which uses the processor's SHA instructions, unlike many builds of
`sha256sum`) in two processes, 4 MiB reads into one buffer, the largest files first.
"""

import hashlib
import os
import sys

PROCESSES = 2
BUFFER_BYTES = 4 * 2**20
_INDEX_BYTES = 4


def main(folder: str) -> int:
    """Return the exit status."""
    files = sorted(_files(folder), key=os.path.getsize, reverse=True)
    turns, give = os.pipe()
    for number in range(len(files)):  # a pipe holds 64 KiB: enough for 16,384 files
        os.write(give, number.to_bytes(_INDEX_BYTES, "little"))
    os.close(give)
    children = [_start(files, turns) for _ in range(PROCESSES)]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return 1 if any(statuses) or not files else 0


def digest_of(path: str, buffer: bytearray) -> str:
    """Return the SHA-256 of a file, read through `buffer`."""
    hashed = hashlib.sha256()
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes as long to import as the small files
        while count := file.readinto(buffer):
            hashed.update(view[:count])
    return hashed.hexdigest()


def _start(files: list[str], turns: int) -> int:
    child = os.fork()
    if child:
        return child
    buffer = bytearray(BUFFER_BYTES)
    is_wrong = False
    while turn := os.read(turns, _INDEX_BYTES):
        path = files[int.from_bytes(turn, "little")]
        is_wrong |= digest_of(path, buffer) != os.path.basename(path)  # noqa: PTH119
    os._exit(is_wrong)


def _files(folder: str) -> list[str]:
    return [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names]  # noqa: PTH118


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
