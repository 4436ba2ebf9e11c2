"""Objects come by digest into a folder."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from comfyfleet.cloud.ports import ObjectPlace
from comfyfleet.core.errors import FleetError
from comfyfleet.machine.errors import DiskFull, ObjectMissing, WrongBytes
from comfyfleet.machine.fetch import Fetch, Fetcher
from comfyfleet.machine.fetch.buffers import BUFFER_BYTES

RANDOM = Random(11)  # noqa: S311 - bytes, no secrets
SIZES = (0, 1, 4095, 4096, 2**20 - 1, 2**20, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES)


@dataclass
class Shelf:
    """Objects as files in a folder, and a folder that they are brought to. `located` are the keys that were read."""

    folder: Path
    located: list[str] = field(default_factory=list)
    before_reading: Callable[[str], None] = lambda _key: None

    def locate(self, key: str) -> ObjectPlace:
        self.located.append(key)
        self.before_reading(key)
        return ObjectPlace(path=self.folder / key)

    @property
    def target(self) -> Path:
        folder = self.folder / "target"
        folder.mkdir(exist_ok=True)
        return folder

    def add(self, content: bytes) -> Fetch:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / digest[:8]).write_bytes(content)
        return Fetch(digest, digest[:8], len(content))

    def fetcher(self, connections: int = 4, on_whole: Callable[[Fetch, Path], None] | None = None) -> Fetcher:
        if on_whole is None:
            return Fetcher(self, self.target, connections=connections, pause_seconds=0)
        return Fetcher(self, self.target, connections=connections, on_whole=on_whole, pause_seconds=0)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.mark.parametrize("connections", [1, 4, 16])
def test_objects_of_all_sizes_come_whole(connections: int, shelf: Shelf) -> None:
    contents = [RANDOM.randbytes(size) for size in SIZES]
    fetches = [shelf.add(content) for content in contents]
    whole: dict[str, Path] = {}
    shelf.fetcher(connections, lambda fetch, path: whole.update({fetch.sha256: path})).run(fetches)
    assert [whole[fetch.sha256].read_bytes() for fetch in fetches] == contents


def test_many_more_objects_than_buffers_come_whole(shelf: Shelf) -> None:
    fetches = [shelf.add(str(number).encode()) for number in range(300)]
    whole: list[str] = []
    shelf.fetcher(on_whole=lambda fetch, _path: whole.append(fetch.sha256)).run(fetches)
    assert sorted(whole) == sorted(fetch.sha256 for fetch in fetches)


def test_nothing_to_bring_is_no_error(shelf: Shelf) -> None:
    shelf.fetcher().run([])
    assert shelf.located == []


def test_every_byte_is_counted_once(shelf: Shelf) -> None:
    fetches = [shelf.add(RANDOM.randbytes(size)) for size in (5, BUFFER_BYTES + 5)]
    counted: list[int] = []
    Fetcher(shelf, shelf.target, on_bytes=counted.append).run(fetches)
    assert sum(counted) == BUFFER_BYTES + 10


def test_bytes_that_are_wrong_twice_end_the_fetch_but_not_of_the_others(shelf: Shelf) -> None:
    right = [shelf.add(RANDOM.randbytes(100)) for _ in range(5)]
    wrong = shelf.add(RANDOM.randbytes(2 * BUFFER_BYTES))
    (shelf.folder / wrong.key).write_bytes(bytes(wrong.size))
    whole: list[str] = []
    with pytest.raises(WrongBytes, match=wrong.key):
        shelf.fetcher(on_whole=lambda fetch, _path: whole.append(fetch.sha256)).run([wrong, *right])
    assert sorted(whole) == sorted(fetch.sha256 for fetch in right)
    assert shelf.located.count(wrong.key) == 4, "both ranges twice"


def test_bytes_that_are_wrong_once_are_fetched_again(shelf: Shelf) -> None:
    content = RANDOM.randbytes(BUFFER_BYTES + 9)
    fetch = shelf.add(content)
    path = shelf.folder / fetch.key
    path.write_bytes(bytes(fetch.size))

    def mend(_key: str) -> None:
        if len(shelf.located) > 2:
            path.write_bytes(content)

    shelf.before_reading = mend
    whole: list[Path] = []
    shelf.fetcher(1, lambda _fetch, path: whole.append(path)).run([fetch])
    assert whole[0].read_bytes() == content


def test_the_next_run_goes_on_where_one_broke_off(shelf: Shelf) -> None:
    content = RANDOM.randbytes(5 * BUFFER_BYTES)
    fetch = shelf.add(content)

    def break_off(_key: str) -> None:
        if len(shelf.located) == 4:
            raise ObjectMissing("gone for a while")

    shelf.before_reading = break_off
    with pytest.raises(ObjectMissing, match="for a while"):
        shelf.fetcher(1).run([fetch])
    shelf.before_reading = lambda _key: None
    shelf.located.clear()
    whole: list[Path] = []
    shelf.fetcher(1, lambda _fetch, path: whole.append(path)).run([fetch])
    assert len(shelf.located) == 2
    assert whole[0].read_bytes() == content


def test_an_object_of_another_size_is_refused_at_once(shelf: Shelf) -> None:
    fetch = shelf.add(b"four")
    with pytest.raises(WrongBytes, match="4 bytes in the store, and 5 in the manifest"):
        shelf.fetcher().run([Fetch(fetch.sha256, fetch.key, 5)])


def test_a_missing_object_is_named(shelf: Shelf) -> None:
    with pytest.raises(ObjectMissing, match="nowhere"):
        shelf.fetcher().run([shelf.add(b"x"), Fetch("0" * 64, "nowhere", 4)])


def test_whoever_takes_a_file_in_may_fail(shelf: Shelf) -> None:
    def fail(_fetch: Fetch, _path: Path) -> None:
        raise DiskFull("no room for names")

    with pytest.raises(DiskFull, match="for names"):
        shelf.fetcher(on_whole=fail).run([shelf.add(b"x")])


def test_a_fetch_is_stopped_from_another_thread(shelf: Shelf) -> None:
    fetches = [shelf.add(RANDOM.randbytes(3 * BUFFER_BYTES)) for _ in range(5)]
    fetcher = shelf.fetcher(1)
    reached = threading.Event()

    def stop_at_the_third(_key: str) -> None:
        if len(shelf.located) == 3:
            stopping.start()
            assert reached.wait(60)

    def stop() -> None:
        fetcher.stop(FleetError("enough"))
        reached.set()

    stopping = threading.Thread(target=stop)
    shelf.before_reading = stop_at_the_third
    with pytest.raises(FleetError, match="enough"):
        fetcher.run(fetches)
    stopping.join()
    assert len(shelf.located) == 3
