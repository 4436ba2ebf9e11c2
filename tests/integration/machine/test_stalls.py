"""A store that says nothing for a while, with an idle timeout that a test can wait for."""

from pathlib import Path
from typing import Final

import pytest
from tests.integration.machine.faulty_store import BUCKET, Asked, Fault, FaultyStore, Misfortune, Temper
from tests.integration.machine.library import MIB, Library, digest_of, key_of, random_item

from comfyfleet.cloud.ports import ObjectPlace
from comfyfleet.machine.errors import SourceUnavailable
from comfyfleet.machine.fetch import Fetch, Fetcher

ITEM: Final = random_item(1, 9 * MIB)
FETCH: Final = Fetch(digest_of(ITEM), key_of(ITEM), len(ITEM.content))


class Plain:
    """The faulty store's addresses."""

    def __init__(self, url: str) -> None:
        self._url = url

    def locate(self, key: str) -> ObjectPlace:
        return ObjectPlace(url=f"{self._url}/{BUCKET}/{key}")


def stalling(at: int, times: int) -> Temper:
    def temper(asked: Asked) -> Misfortune | None:
        return Misfortune(Fault.STALL, at) if asked.start == 4 * MIB and asked.number <= times else None

    return temper


def fetch_all(faulty: FaultyStore, library: Library, folder: Path) -> None:
    library.put(FETCH.key, ITEM.content)
    Fetcher(Plain(faulty.url), folder, pause_seconds=0.01, idle_seconds=0.2).run([FETCH])


@pytest.mark.parametrize("at", [0, 1, 3 * MIB])
def test_a_range_that_stalls_is_read_again(at: int, faulty: FaultyStore, library: Library, tmp_path: Path) -> None:
    faulty.temper = stalling(at, times=2)
    fetch_all(faulty, library, tmp_path)
    assert (tmp_path / FETCH.sha256).read_bytes() == ITEM.content
    assert sorted(asked.start for asked in faulty.served) == [0, *[4 * MIB] * 3, 8 * MIB]


def test_a_store_that_stalls_for_ever_is_given_up_and_what_came_is_kept(
    faulty: FaultyStore, library: Library, tmp_path: Path
) -> None:
    faulty.temper = stalling(1000, times=100)
    with pytest.raises(SourceUnavailable, match="timed out"):
        fetch_all(faulty, library, tmp_path)
    faulty.begin_anew()
    fetch_all(faulty, library, tmp_path)
    assert [asked.start for asked in faulty.served] == [4 * MIB]
