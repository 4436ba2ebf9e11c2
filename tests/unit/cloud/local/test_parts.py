"""Parts on disk: nobody writes into an object after it is complete."""

from pathlib import Path

import pytest

from comfyfleet.cloud.local.objects import DiskObjectStore
from comfyfleet.cloud.local.parts import DiskPartStore, PartsBusy
from comfyfleet.cloud.ports import PartedUpload
from comfyfleet.core.keys import ObjectNotFound


@pytest.fixture
def store(tmp_path: Path) -> DiskObjectStore:
    return DiskObjectStore(tmp_path, "bucket", b"signing key")


@pytest.fixture
def upload(store: DiskObjectStore) -> PartedUpload:
    parts = DiskPartStore(store)
    upload = parts.begin("a", content_type="text/plain", size=5, part_size=5)
    parts.write_part(upload, 1, b"right")
    return upload


def test_an_upload_is_not_completed_while_a_part_is_sent(store: DiskObjectStore, upload: PartedUpload) -> None:
    parts = DiskPartStore(store)
    with parts.open_part(upload.upload_id, 1, offset=0, size=5) as late:
        with pytest.raises(PartsBusy):
            parts.complete(upload)
        late.write(b"other")
    parts.complete(upload)
    assert store.read("a") == b"other"


def test_a_part_that_comes_late_changes_nothing(store: DiskObjectStore, upload: PartedUpload) -> None:
    parts = DiskPartStore(store)
    parts.complete(upload)
    with pytest.raises(ObjectNotFound):
        parts.open_part(upload.upload_id, 1, offset=0, size=5)
    assert store.read("a") == b"right"
