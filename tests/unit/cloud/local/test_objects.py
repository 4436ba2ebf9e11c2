"""Objects on disk survive crashes, races and each other."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from comfyfleet.cloud.local.objects import DiskObjectStore, StorageFull
from comfyfleet.core.errors import Invalid
from comfyfleet.core.keys import WrongSize

OLD = (b"old", "image/png")
NEW = (b"the new one", "video/mp4")

WRITE_AND_DIE = """
import os, sys
from pathlib import Path
from comfyfleet.cloud.local.objects import DiskObjectStore

root, create_only, remaining = sys.argv[1], sys.argv[2] == "True", int(sys.argv[3])
store = DiskObjectStore(Path(root), "bucket", b"key")

def die(event, arguments):
    global remaining
    if event in {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "fcntl.flock"}:
        remaining -= 1
        if remaining < 0:
            os._exit(9)

sys.addaudithook(die)
store.write("a/b", b"the new one", content_type="video/mp4", create_only=create_only)
os._exit(0)
"""


@pytest.fixture
def store(tmp_path: Path) -> DiskObjectStore:
    """Return a store on a folder of its own."""
    return DiskObjectStore(tmp_path, "bucket", b"signing key")


def state(store: DiskObjectStore, key: str) -> tuple[bytes, str] | None:
    """Return an object's content and type."""
    found = store.head(key)
    return None if found is None else (store.read(key), found.content_type)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_crash_at_any_moment_leaves_one_whole_object(tmp_path: Path, *, is_replaced: bool) -> None:
    seen = []
    for moment in range(40):
        root = tmp_path / str(moment)
        store = DiskObjectStore(root, "bucket", b"key")
        if is_replaced:
            store.write("a/b", OLD[0], content_type=OLD[1])
        command = [sys.executable, "-c", WRITE_AND_DIE, str(root), str(not is_replaced), str(moment)]
        result = subprocess.run(command, check=False)
        seen.append(state(store, "a/b"))
        assert store.write("a/b", b"after", content_type="text/plain") is True
        assert state(store, "a/b") == (b"after", "text/plain")
        if result.returncode == 0:
            break
        assert result.returncode == 9
    assert len(seen) > 8  # at least: lock, folders, type, object
    before = OLD if is_replaced else None
    assert set(seen) == {before, NEW}
    assert seen == sorted(seen, key=lambda what: what == NEW)  # once it is there it stays
    assert seen[-1] == NEW


def test_readers_never_see_one_object_with_the_type_of_another(store: DiskObjectStore) -> None:
    def write(number: int) -> None:
        store.write("a", b"x" * number, content_type=f"text/x{number}")

    write(1)
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(write, number) for number in range(1, 60)]
        while not all(done.done() for done in writes):
            found = store.head("a")
            assert found is not None
    for done in writes:
        done.result()
    found = store.head("a")
    assert found is not None
    assert found.content_type == f"text/x{found.size}"


def test_a_writer_that_is_aborted_leaves_nothing(store: DiskObjectStore, tmp_path: Path) -> None:
    writer = store.open_write("a", content_type="text/plain")
    writer.write(b"x")
    writer.abort()
    writer.abort()
    assert store.head("a") is None
    assert files(tmp_path / "bucket" / "incoming") == []


@pytest.mark.parametrize("chunks", [[b"12345"], [b"12", b"34", b"5"]])
def test_a_writer_takes_no_more_than_it_may(store: DiskObjectStore, chunks: list[bytes]) -> None:
    def write(max_size: int) -> bool:
        with store.open_write("a", content_type="text/plain", max_size=max_size) as writer:
            for chunk in chunks:
                writer.write(chunk)
            return writer.commit()

    with pytest.raises(WrongSize):
        write(4)
    assert store.head("a") is None
    assert write(5)
    assert store.read("a") == b"12345"


def test_keys_of_which_one_begins_the_other_are_refused_and_change_nothing(
    store: DiskObjectStore, tmp_path: Path
) -> None:
    store.write("a/b", b"1", content_type="text/plain")
    for key in ("a", "a/b/c"):
        with pytest.raises(Invalid, match="stands in the way"):
            store.write(key, b"2", content_type="text/plain")
    assert files(tmp_path / "bucket" / "incoming") == []
    assert state(store, "a/b") == (b"1", "text/plain")


def test_a_deleted_object_leaves_its_name_free(store: DiskObjectStore, tmp_path: Path) -> None:
    store.write("a/b/c", b"1", content_type="text/plain")
    store.write("a/d", b"2", content_type="text/plain")
    store.delete("a/b/c")
    assert store.write("a/b", b"3", content_type="text/plain")
    store.delete("a/b")
    store.delete("a/d")
    assert files(tmp_path / "bucket" / "data") == []
    assert files(tmp_path / "bucket" / "types") == []
    assert store.write("a", b"4", content_type="text/plain")


def test_types_outlast_a_copy_of_the_folder(store: DiskObjectStore, tmp_path: Path) -> None:
    store.write("a", OLD[0], content_type=OLD[1])
    store.write("a", NEW[0], content_type=NEW[1])
    shutil.copytree(tmp_path / "bucket", tmp_path / "copy" / "bucket")
    assert state(DiskObjectStore(tmp_path / "copy", "bucket", b"key"), "a") == NEW


def test_what_a_killed_process_had_begun_is_removed_after_a_day(tmp_path: Path) -> None:
    begun = DiskObjectStore(tmp_path, "bucket", b"key").open_write("a", content_type="text/plain")
    begun.write(b"x")
    now = datetime.now(UTC)
    DiskObjectStore(tmp_path, "bucket", b"key", now=lambda: now + timedelta(hours=23))
    assert len(files(tmp_path / "bucket" / "incoming")) == 1
    DiskObjectStore(tmp_path, "bucket", b"key", now=lambda: now + timedelta(hours=25))
    assert files(tmp_path / "bucket" / "incoming") == []
    begun.abort()


def test_a_disk_that_refuses_says_why(store: DiskObjectStore, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "bucket" / "incoming")
    with pytest.raises(StorageFull, match=os.strerror(2)):
        store.write("a", b"x", content_type="text/plain")
