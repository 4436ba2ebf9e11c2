"""Large objects are read by ranges, whole and in order, and never past their ends."""

import io
from hashlib import sha256
from pathlib import Path

import pytest

from comfyfleet.cloud.local.objects import DiskObjectStore
from comfyfleet.core.assets import HEAD_BYTES
from comfyfleet.core.keys import ObjectNotFound
from comfyfleet.server.assets.reading import digests_of, open_object

PIECE = 8 * 2**20


@pytest.fixture
def store(tmp_path: Path) -> DiskObjectStore:
    """Return an empty store."""
    return DiskObjectStore(tmp_path, "bucket", b"signing key")


@pytest.mark.parametrize("size", [1, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, PIECE, PIECE + 1, 2 * PIECE])
async def test_digests_are_of_all_bytes_and_of_the_first_mebibyte(store: DiskObjectStore, size: int) -> None:
    content = bytes(index % 251 for index in range(4096)) * (size // 4096 + 1)
    content = content[:size]
    store.write("a", content, content_type="a/b")
    seen: list[int] = []
    whole, head = await digests_of(store, "a", size, seen.append)
    assert whole == sha256(content).hexdigest()
    assert head == sha256(content[:HEAD_BYTES]).hexdigest()
    assert seen == [*range(PIECE, size, PIECE), size]


async def test_an_object_that_is_shorter_or_missing_has_no_digest(store: DiskObjectStore) -> None:
    store.write("a", b"short", content_type="a/b")
    for key in ("a", "b"):
        with pytest.raises(ObjectNotFound):
            await digests_of(store, key, 10, lambda _done: None)


async def test_who_watches_can_end_the_reading(store: DiskObjectStore) -> None:
    store.write("a", bytes(PIECE * 3), content_type="a/b")

    def stop(done: int) -> None:
        raise InterruptedError(done)

    with pytest.raises(InterruptedError, match=str(PIECE)):
        await digests_of(store, "a", PIECE * 3, stop)


def test_an_object_reads_like_a_file(store: DiskObjectStore) -> None:
    content = bytes(index % 256 for index in range(3 * 2**20))
    store.write("a", content, content_type="a/b")
    with open_object(store, "a", len(content)) as file:
        assert file.read(5) == content[:5]
        assert file.seek(-7, io.SEEK_END) == len(content) - 7
        assert file.read() == content[-7:]
        assert file.read(1) == b""
        assert file.seek(2**20 - 3) == 2**20 - 3
        assert file.read(2**20 + 6) == content[2**20 - 3 : 2**21 + 3]
        assert file.seek(4, io.SEEK_CUR) == 2**21 + 7
        assert file.tell() == 2**21 + 7
        assert file.seek(len(content) + 10) == len(content) + 10
        assert file.read(3) == b""
        with pytest.raises(ValueError, match="before the beginning"):
            file.seek(-(len(content) * 2), io.SEEK_CUR)
