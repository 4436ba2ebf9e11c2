"""One suite for parted uploads and the index of every object store."""

import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import httpx
import pytest
from tests.ports.object_store.conftest import Target

from comfyfleet.cloud.ports import PartedUpload
from comfyfleet.core.keys import InvalidKey, ObjectNotFound, PartsMissing, WrongSize

MIB = 2**20
PART = 5 * MIB
CONTENT = os.urandom(2 * PART + 3)
TYPE = "application/octet-stream"


def begin(target: Target, key: str = "incoming/a") -> PartedUpload:
    return target.parts.begin(key, content_type=TYPE, size=len(CONTENT), part_size=PART)


def bytes_of(upload: PartedUpload, number: int) -> bytes:
    return CONTENT[upload.offset_of(number) : upload.offset_of(number) + upload.size_of(number)]


def put(target: Target, upload: PartedUpload, number: int, content: bytes) -> httpx.Response:
    signed = target.parts.sign_part(upload, number, expires_seconds=60)
    return httpx.put(target.url(signed), content=content, headers=signed.headers, timeout=60)


def store_whole(target: Target, key: str) -> None:
    upload = begin(target, key)
    for number in range(1, upload.part_count + 1):
        target.parts.write_part(upload, number, bytes_of(upload, number))
    target.parts.complete(upload)


def test_parts_that_are_put_at_once_and_out_of_order_become_the_object(target: Target) -> None:
    upload = begin(target)
    assert upload.part_count == 3
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda number: put(target, upload, number, bytes_of(upload, number)), (3, 1, 2)))
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]
    assert target.store.head(upload.key) is None
    target.parts.complete(upload)
    assert target.store.read(upload.key) == CONTENT
    found = target.store.head(upload.key)
    assert found is not None
    assert (found.size, found.content_type) == (len(CONTENT), TYPE)


def test_parts_can_be_written_by_ourselves(target: Target) -> None:
    store_whole(target, "a")
    assert target.store.read("a") == CONTENT


def test_the_parts_that_are_there_are_known(target: Target) -> None:
    upload = begin(target)
    assert target.parts.parts(upload) == {}
    put(target, upload, 2, bytes_of(upload, 2))
    put(target, upload, 3, bytes_of(upload, 3))
    assert target.parts.parts(upload) == {2: PART, 3: 3}


def test_a_part_may_be_sent_again(target: Target) -> None:
    upload = begin(target)
    for number in (1, 1, 2, 3, 3):
        assert put(target, upload, number, bytes_of(upload, number)).is_success
    target.parts.complete(upload)
    assert target.store.read(upload.key) == CONTENT


def test_an_upload_with_missing_parts_cannot_be_completed(target: Target) -> None:
    upload = begin(target)
    put(target, upload, 1, bytes_of(upload, 1))
    with pytest.raises(PartsMissing, match="2 of 3"):
        target.parts.complete(upload)
    assert target.store.head(upload.key) is None


def test_a_part_of_another_size_is_refused(target: Target) -> None:
    upload = begin(target)
    with pytest.raises(WrongSize):
        target.parts.write_part(upload, 3, b"too many bytes")
    if target.checks_signatures:
        assert not put(target, upload, 3, b"more").is_success
    assert target.parts.parts(upload) == {}


def test_completing_twice_is_no_error(target: Target) -> None:
    upload = begin(target)
    for number in (1, 2, 3):
        target.parts.write_part(upload, number, bytes_of(upload, number))
    target.parts.complete(upload)
    target.parts.complete(upload)
    assert target.store.read(upload.key) == CONTENT


def test_an_aborted_upload_is_gone(target: Target) -> None:
    upload = begin(target)
    target.parts.write_part(upload, 1, bytes_of(upload, 1))
    target.parts.abort(upload)
    target.parts.abort(upload)
    assert not put(target, upload, 2, bytes_of(upload, 2)).is_success
    with pytest.raises(ObjectNotFound):
        target.parts.parts(upload)
    with pytest.raises(ObjectNotFound):
        target.parts.complete(upload)


@pytest.mark.parametrize("change", [{"partNumber": "2"}, {"part": "2"}, {"offset": "7"}, {"upload": "x"}], ids=str)
def test_a_parts_url_is_good_for_that_part_only(target: Target, change: dict[str, str]) -> None:
    if not target.checks_signatures:
        return
    upload = begin(target)
    url = httpx.URL(target.url(target.parts.sign_part(upload, 1, expires_seconds=60)))
    if not change.keys() & set(url.params):
        return
    changed = url.copy_with(query=urlencode({**dict(url.params), **change}).encode())
    assert (
        httpx.put(changed, content=bytes_of(upload, 1), headers={"Content-Type": TYPE}, timeout=60).status_code == 403
    )


def test_ranges_are_read(target: Target) -> None:
    target.store.write("a", b"0123456789", content_type=TYPE)
    assert target.store.read("a", start=3) == b"3456789"
    assert target.store.read("a", start=3, length=4) == b"3456"
    assert target.store.read("a", start=8, length=40) == b"89"
    assert target.store.read("a", start=10, length=1) == b""
    with pytest.raises(ObjectNotFound):
        target.store.read("b", start=1, length=1)


def test_moving_gives_an_object_another_key(target: Target) -> None:
    store_whole(target, "incoming/a")
    assert target.parts.move("incoming/a", "assets/lora/b") is True
    assert target.store.head("incoming/a") is None
    assert target.store.read("assets/lora/b") == CONTENT
    found = target.store.head("assets/lora/b")
    assert found is not None
    assert found.content_type == TYPE


def test_moving_never_replaces(target: Target) -> None:
    target.store.write("a", b"first", content_type=TYPE)
    target.store.write("b", b"second", content_type=TYPE)
    assert target.parts.move("b", "a") is False
    assert (target.store.read("a"), target.store.read("b")) == (b"first", b"second")
    with pytest.raises(ObjectNotFound):
        target.parts.move("c", "d")


def test_objects_are_listed_by_their_beginning(target: Target) -> None:
    for key in ("bundles/2/manifest.json", "bundles/1/manifest.json", "other"):
        target.store.write(key, b"12345", content_type=TYPE)
    found = [(item.key, item.size) for item in target.parts.objects("bundles/")]
    assert found == [("bundles/1/manifest.json", 5), ("bundles/2/manifest.json", 5)]
    assert list(target.parts.objects("nothing/")) == []


def test_a_key_that_leads_elsewhere_is_refused(target: Target) -> None:
    with pytest.raises(InvalidKey):
        begin(target, "../a")
