"""The data on the disk."""

import hashlib
import json
from pathlib import Path

from benchmarks.apply.dataset import dataset

SCALE = 0.0001


def keys_of(bucket: Path) -> set[str]:
    return {path.relative_to(bucket).as_posix() for path in (bucket / "assets").rglob("*") if path.is_file()}


def test_objects_are_named_after_their_bytes(tmp_path: Path) -> None:
    data = dataset(tmp_path, SCALE, seed=1)
    for made in data.first:
        content = (data.bucket / made.key).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (made.size, made.sha256)


def test_the_data_is_made_once(tmp_path: Path) -> None:
    first = dataset(tmp_path, SCALE, seed=1)
    times = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    assert dataset(tmp_path, SCALE, seed=1) == first
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == times


def test_what_was_left_unfinished_is_made_again(tmp_path: Path) -> None:
    first = dataset(tmp_path, SCALE, seed=1)
    (first.folder / "index.json").unlink()
    assert dataset(tmp_path, SCALE, seed=1) == first


def test_the_next_bundle_is_in_the_bucket_only_while_published(tmp_path: Path) -> None:
    data = dataset(tmp_path, SCALE, seed=1)
    alone = {made.key for made in data.first}
    both = alone | {made.key for made in data.next}
    assert keys_of(data.bucket) == alone < both
    data.publish_next()
    data.publish_next()
    assert keys_of(data.bucket) == both
    data.withdraw_next()
    assert keys_of(data.bucket) == alone


def test_the_manifests_lie_beside_the_objects(tmp_path: Path) -> None:
    data = dataset(tmp_path, SCALE, seed=1)
    manifests = [json.loads(path.read_text()) for path in sorted(data.bucket.glob("bundles/*/manifest.json"))]
    assert [len(one["assets"]) for one in manifests] == [len(data.first), len(data.next)]
