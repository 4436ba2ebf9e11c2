import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr
from tests.support.fake_library import FakeLibrary, Fault, running_library

from comfyfleet.client.asset_parts import Sending
from comfyfleet.client.asset_reading import FileEmpty
from comfyfleet.client.asset_upload import Added, FileWords, OnProgress, Stage, UploadRefused, add_file
from comfyfleet.client.connection import Connection
from comfyfleet.client.library import LibraryPlane
from comfyfleet.client.transfers import FileChanged, TransferFailed
from comfyfleet.core.assets import AssetKind

PART: Final = 64 * 1024
QUICK: Final = Sending(tries=4, pause_seconds=0.01)
CONTENT: Final = hashlib.shake_256(b"ink").digest(10 * PART + 123)


@pytest.fixture
def library() -> Iterator[FakeLibrary]:
    with running_library(part_size=PART) as running:
        yield running


@pytest.fixture
def plane(library: FakeLibrary) -> Iterator[LibraryPlane]:
    with LibraryPlane(Connection(url=library.url, api_key=SecretStr("cfk_test"))) as client:
        yield client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ink.safetensors"
    path.write_bytes(CONTENT)
    return path


def ignore(_stage: Stage, _done: int, _total: int) -> None:
    """Nothing."""


def add(plane: LibraryPlane, file: Path, on_progress: OnProgress = ignore, how: Sending = QUICK) -> Added:
    return add_file(plane, file, FileWords(), on_progress, how)


def test_a_file_arrives_whole_over_a_few_connections_that_are_kept(
    plane: LibraryPlane, library: FakeLibrary, file: Path
) -> None:
    words = FileWords(AssetKind.LORA, "ours", "MIT", "https://example.org/ink")
    added = add_file(plane, file, words, ignore)
    assert (added.asset.sha256, added.sent_bytes, added.was_known) == (
        hashlib.sha256(CONTENT).hexdigest(),
        len(CONTENT),
        False,
    )
    assert sorted(library.puts) == [(number, 200) for number in range(1, 12)]
    assert library.body_bytes == len(CONTENT)
    assert library.connections <= 5, "one for the calls, and four for the parts"
    new = library.uploads["upload-0"].new
    assert new == new.model_copy(
        update={
            "filename": "ink.safetensors",
            "size": len(CONTENT),
            "kind": AssetKind.LORA,
            "notes": "ours",
            "license": "MIT",
            "source_url": "https://example.org/ink",
        }
    )


def test_parts_are_sent_at_the_same_time(plane: LibraryPlane, library: FakeLibrary, file: Path) -> None:
    together = threading.Barrier(4, timeout=60)

    def wait(number: int) -> None:
        if number <= 8:
            together.wait()

    library.on_put = wait
    add(plane, file)
    assert library.busiest == 4


def test_no_more_connections_are_used_than_asked_for(plane: LibraryPlane, library: FakeLibrary, file: Path) -> None:
    add(plane, file, how=Sending(connections=1))
    assert library.busiest == 1


def test_known_bytes_are_hashed_and_not_sent(plane: LibraryPlane, library: FakeLibrary, file: Path) -> None:
    library.know(CONTENT, "other.safetensors")
    stages: list[Stage] = []
    added = add(plane, file, lambda stage, _done, _total: stages.append(stage))
    assert (added.was_known, added.sent_bytes, library.puts) == (True, 0, [])
    assert set(stages) == {Stage.HASHING, Stage.VERIFYING}


def test_a_file_that_only_begins_like_a_known_one_is_sent(
    plane: LibraryPlane, library: FakeLibrary, tmp_path: Path
) -> None:
    content = hashlib.shake_256(b"like").digest(2**20 + 5 * PART)
    library.know(content[:-1] + b"?")
    path = tmp_path / "like.safetensors"
    path.write_bytes(content)
    added = add(plane, path)
    assert (added.was_known, added.sent_bytes) == (False, len(content))
    assert added.asset.sha256 == hashlib.sha256(content).hexdigest()


def test_after_an_interruption_only_the_rest_is_sent(plane: LibraryPlane, library: FakeLibrary, file: Path) -> None:
    library.fail(7, Fault(status=400))
    with pytest.raises(TransferFailed, match=r"Part 7 of 'ink\.safetensors' could not be sent: storage answered 400"):
        add(plane, file, how=Sending(connections=1))
    there = sum(len(part) for part in library.uploads["upload-0"].parts.values())
    assert there == 6 * PART
    library.body_bytes = 0
    library.puts.clear()
    added = add(plane, file)
    assert library.body_bytes == added.sent_bytes == len(CONTENT) - there
    assert sorted(number for number, _ in library.puts) == [7, 8, 9, 10, 11]
    assert added.asset.sha256 == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("fault", [Fault(cut_after=PART // 2), Fault(status=503), Fault(status=429), Fault(status=403)])
def test_a_part_that_fails_is_sent_again(plane: LibraryPlane, library: FakeLibrary, file: Path, fault: Fault) -> None:
    library.fail(3, fault, fault)
    library.fail(11, fault)
    assert add(plane, file).sent_bytes == len(CONTENT)
    assert [number for number, status in library.puts if status == 200].count(3) == 1


def test_an_expired_url_is_asked_for_anew(plane: LibraryPlane, library: FakeLibrary, file: Path) -> None:
    add(plane, file)
    once = library.of("POST", "/parts")
    file.write_bytes(CONTENT[::-1])
    library.fail(2, Fault(status=403))
    add(plane, file, how=Sending(connections=1, pause_seconds=0.01))
    assert library.of("POST", "/parts") - once == once + 1


def test_a_part_is_given_up_after_some_tries(plane: LibraryPlane, library: FakeLibrary, file: Path) -> None:
    library.fail(1, *[Fault(status=503)] * 4)
    with pytest.raises(TransferFailed, match="storage answered 503") as caught:
        add(plane, file)
    assert "run the same command again" in caught.value.hint
    assert [number for number, _ in library.puts].count(1) == 4


def test_a_part_that_storage_refuses_for_good_is_not_tried_again(
    plane: LibraryPlane, library: FakeLibrary, file: Path
) -> None:
    library.fail(1, Fault(status=400))
    with pytest.raises(TransferFailed):
        add(plane, file)
    assert [number for number, _ in library.puts].count(1) == 1


def test_progress_is_told_in_order_to_its_end(plane: LibraryPlane, file: Path) -> None:
    told: list[tuple[Stage, int, int]] = []
    inside = threading.Lock()

    def tell(stage: Stage, done: int, total: int) -> None:
        assert inside.acquire(blocking=False), "two threads tell at once"
        told.append((stage, done, total))
        inside.release()

    add(plane, file, tell)
    sending = [done for stage, done, _ in told if stage is Stage.SENDING]
    assert sending == sorted(sending)
    assert sending[-1] == len(CONTENT)
    assert told[-1] == (Stage.VERIFYING, len(CONTENT), len(CONTENT))
    assert {total for _, _, total in told} == {len(CONTENT)}


def test_what_arrived_before_is_told_as_hashing(plane: LibraryPlane, library: FakeLibrary, file: Path) -> None:
    library.fail(4, Fault(status=400))
    with pytest.raises(TransferFailed):
        add(plane, file, how=Sending(connections=1))
    told: list[tuple[Stage, int]] = []
    add(plane, file, lambda stage, done, _total: told.append((stage, done)))
    assert [done for stage, done in told if stage is Stage.HASHING] == [PART, 2 * PART, 3 * PART]
    assert min(done for stage, done in told if stage is Stage.SENDING) > 3 * PART


def test_a_listener_that_fails_ends_the_upload(plane: LibraryPlane, file: Path) -> None:
    def tell(stage: Stage, _done: int, _total: int) -> None:
        if stage is Stage.SENDING:
            raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError):
        add(plane, file, tell)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def cut(path: Path) -> None:
    os.truncate(path, len(CONTENT) - 1)


def swap(path: Path) -> None:
    stat = path.stat()
    other = path.with_name("other")
    other.write_bytes(CONTENT[::-1])
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [touch, grow, cut, swap, Path.unlink])
def test_a_file_that_changes_meanwhile_is_noticed_and_nothing_of_it_is_kept(
    plane: LibraryPlane, library: FakeLibrary, file: Path, change: Callable[[Path], None]
) -> None:
    changed = threading.Event()

    def change_once(_number: int) -> None:
        if not changed.is_set():
            changed.set()
            change(file)

    library.on_put = change_once
    with pytest.raises(FileChanged, match="while it was read"):
        add(plane, file, how=Sending(connections=1))
    assert library.of("DELETE", "/upload-0") == 1
    assert library.of("POST", "/complete") == 0


def test_a_file_that_changes_while_it_is_only_hashed_is_noticed(
    plane: LibraryPlane, library: FakeLibrary, file: Path
) -> None:
    library.know(CONTENT)
    with pytest.raises(FileChanged):
        add(plane, file, lambda _stage, _done, _total: touch(file))


def test_bytes_that_the_control_plane_reads_otherwise_are_refused(
    plane: LibraryPlane, library: FakeLibrary, file: Path
) -> None:
    library.problem = "12 bytes came."
    with pytest.raises(UploadRefused, match="did not become an asset: 12 bytes came"):
        add(plane, file)


def test_a_control_plane_that_is_away_while_it_verifies_is_waited_for(
    plane: LibraryPlane, library: FakeLibrary, file: Path
) -> None:
    library.faults_of_looks.extend([502, 503])
    assert add(plane, file).asset.size == len(CONTENT)


def test_an_empty_file_is_refused_before_anything_is_asked(
    plane: LibraryPlane, library: FakeLibrary, tmp_path: Path
) -> None:
    path = tmp_path / "empty.safetensors"
    path.touch()
    with pytest.raises(FileEmpty):
        add(plane, path)
    assert library.calls == []


def test_a_name_that_is_no_utf_8_is_sent_readably(plane: LibraryPlane, library: FakeLibrary, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"gr\xf6\xdfe.pt")
    path.write_bytes(b"x")
    add(plane, path)
    assert library.uploads["upload-0"].new.filename == "gr??e.pt"


MEASURED: Final = """
import re, sys
from pathlib import Path
from pydantic import SecretStr
from comfyfleet.client.asset_upload import FileWords, add_file
from comfyfleet.client.connection import Connection
from comfyfleet.client.library import LibraryPlane
with LibraryPlane(Connection(url=sys.argv[1], api_key=SecretStr("k"))) as plane:
    add_file(plane, Path(sys.argv[2]), FileWords(), lambda *_: None)
# Not ru_maxrss, which a child takes over from the process that started it.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)) // 1024)
"""


@pytest.mark.parametrize("part_mib", [16, 64])
def test_memory_stays_below_200_mib_whatever_the_size_of_parts(tmp_path: Path, part_mib: int) -> None:
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(400 * 2**20)
    with running_library(part_size=part_mib * 2**20, keeps_bytes=False) as library:
        command = [sys.executable, "-c", MEASURED, library.url, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert library.body_bytes == 400 * 2**20
    assert int(done.stdout) < 200
