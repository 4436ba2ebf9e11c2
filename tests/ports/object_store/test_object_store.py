"""One suite for every object store: on disk, on an emulator of S3, and on an S3 server that checks what it is sent."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.ports.object_store.conftest import Target

from comfyfleet.core.errors import Invalid
from comfyfleet.core.keys import InvalidKey, ObjectNotFound

TEXT = "text/plain"


def put(target: Target, key: str, content: bytes, *, size: int | None = None) -> httpx.Response:
    signed = target.store.sign_put(key, expires_seconds=60, content_type=TEXT, size=size)
    return httpx.put(target.url(signed), content=content, headers=signed.headers, timeout=60)


def get(target: Target, key: str, **headers: str) -> httpx.Response:
    signed = target.store.sign_get(key, expires_seconds=60)
    return httpx.get(target.url(signed), headers=headers, timeout=60)


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(5 * 2**20 + 3)], ids=["empty", "one byte", "5 MiB"])
@pytest.mark.parametrize("key", ["a", "deep/er/file.bin", "with space/ünï+&=%.txt"])
def test_what_is_written_is_read(target: Target, key: str, content: bytes) -> None:
    assert target.store.write(key, content, content_type=TEXT) is True
    assert target.store.read(key) == content
    found = target.store.head(key)
    assert found is not None
    assert (found.key, found.size, found.content_type) == (key, len(content), TEXT)
    assert get(target, key).content == content


@pytest.mark.parametrize("key", ["a/b.txt", "with space/ünï+&=%.txt"])
def test_what_is_put_by_a_signed_url_is_there(target: Target, key: str) -> None:
    assert put(target, key, b"hello", size=5).is_success
    assert target.store.read(key) == b"hello"


def test_a_large_object_goes_up_and_comes_down_whole(target: Target) -> None:
    content = os.urandom(30 * 2**20)
    assert put(target, "large.bin", content, size=len(content)).is_success
    found = target.store.head("large.bin")
    assert found is not None
    assert (found.size, found.content_type) == (len(content), TEXT)
    assert get(target, "large.bin").content == content


def test_an_empty_object_can_be_put(target: Target) -> None:
    assert put(target, "empty", b"", size=0).is_success
    assert get(target, "empty").content == b""


def test_of_many_who_create_at_once_one_succeeds_with_its_own_content_and_type(target: Target) -> None:
    def create(number: int) -> bool:
        return target.store.write("a", b"%d" % number, content_type=f"text/x{number}", create_only=True)

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create, range(8)))
    found = target.store.head("a")
    assert found is not None
    # moto looks and then writes, so that several may create; content and type fit together all the same.
    assert created.count(True) == 1 or (target.name == "moto" and any(created))
    assert found.content_type == f"text/x{target.store.read('a').decode()}"


def test_a_second_write_replaces_the_first(target: Target) -> None:
    target.store.write("a", b"first", content_type=TEXT)
    target.store.write("a", b"second", content_type="image/png")
    found = target.store.head("a")
    assert found is not None
    assert (target.store.read("a"), found.content_type) == (b"second", "image/png")


def test_create_only_keeps_the_first(target: Target) -> None:
    assert target.store.write("a", b"first", content_type=TEXT, create_only=True) is True
    assert target.store.write("a", b"second", content_type="image/png", create_only=True) is False
    found = target.store.head("a")
    assert found is not None
    assert (target.store.read("a"), found.content_type) == (b"first", TEXT)


def test_what_is_not_there_is_not_found(target: Target) -> None:
    assert target.store.head("nothing") is None
    with pytest.raises(ObjectNotFound):
        target.store.read("nothing")
    assert get(target, "nothing").status_code == 404


def test_deleting_twice_is_no_error(target: Target) -> None:
    target.store.write("a", b"x", content_type=TEXT)
    target.store.delete("a")
    target.store.delete("a")
    assert target.store.head("a") is None
    assert get(target, "a").status_code == 404


def test_the_beginning_of_a_key_is_no_object(target: Target) -> None:
    target.store.write("a/b", b"x", content_type=TEXT)
    assert target.store.head("a") is None
    with pytest.raises(ObjectNotFound):
        target.store.read("a")
    target.store.delete("a")
    assert target.store.read("a/b") == b"x"
    assert get(target, "a").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "content", "where"),
    [("2-4", b"234", "2-4/10"), ("7-", b"789", "7-9/10"), ("-2", b"89", "8-9/10"), ("8-99", b"89", "8-9/10")],
)
def test_a_part_of_an_object_can_be_read(target: Target, wanted: str, content: bytes, where: str) -> None:
    target.store.write("a", b"0123456789", content_type=TEXT)
    part = get(target, "a", Range=f"bytes={wanted}")
    assert (part.status_code, part.content) == (206, content)
    assert part.headers["content-range"] == f"bytes {where}"
    assert get(target, "a", Range="bytes=50-60").status_code == 416


def test_a_download_has_the_name_that_was_asked_for(target: Target) -> None:
    target.store.write("a", b"x", content_type="video/mp4")
    signed = target.store.sign_get("a", expires_seconds=60, filename='ünï "x".mp4')
    disposition = httpx.get(target.url(signed), timeout=60).headers["content-disposition"]
    assert disposition.endswith("filename*=UTF-8''%C3%BCn%C3%AF%20%22x%22.mp4")


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../b", "a//b", "a\\b", "a\x00", "x" * 256])
def test_a_hostile_key_is_refused_before_anything_happens(target: Target, key: str) -> None:
    with pytest.raises(InvalidKey):
        target.store.write(key, b"x", content_type=TEXT)
    with pytest.raises(InvalidKey):
        target.store.sign_put(key, expires_seconds=60, content_type=TEXT)
    with pytest.raises(InvalidKey):
        target.store.sign_get(key, expires_seconds=60)


@pytest.mark.parametrize("content_type", ["", "text", "text/plain\r\nX-Evil: 1", "text/é", "text/plain; x"])
def test_a_type_that_is_no_header_is_refused_before_anything_happens(target: Target, content_type: str) -> None:
    with pytest.raises(Invalid):
        target.store.write("a", b"x", content_type=content_type)
    with pytest.raises(Invalid):
        target.store.sign_put("a", expires_seconds=60, content_type=content_type)
    assert target.store.head("a") is None


def test_a_url_for_reading_also_gives_the_head_where_the_store_allows_it(target: Target) -> None:
    target.store.write("a", b"12345", content_type="video/mp4")
    answer = httpx.head(target.url(target.store.sign_get("a", expires_seconds=60)))
    # S3 signs the method, so that a GET's URL is no HEAD's; on disk it is both, for players that look first.
    assert answer.is_success is (target.name != "seaweedfs")
    if answer.is_success:
        assert (answer.headers["content-length"], answer.headers["content-type"]) == ("5", "video/mp4")


def expired(target: Target) -> httpx.Response:
    """Use a URL until it is refused, or for two seconds after its end."""
    signed = target.store.sign_get("a", expires_seconds=1)
    while True:
        answer = httpx.get(target.url(signed), timeout=60)
        if not answer.is_success or datetime.now(UTC) > signed.expires_at + timedelta(seconds=2):
            return answer
        time.sleep(0.1)


def refusals(target: Target) -> dict[str, httpx.Response]:
    """Make every request that a signed URL does not allow."""
    target.store.write("a", b"mine", content_type=TEXT)
    target.store.write("b", b"other", content_type=TEXT)
    read = target.url(target.store.sign_get("a", expires_seconds=60, filename="a.txt"))
    signed = target.store.sign_put("a", expires_seconds=60, content_type=TEXT, size=4)
    write = target.url(signed)
    return {
        "another method": httpx.put(read, content=b"evil", headers=signed.headers, timeout=60),
        "reading by a URL for writing": httpx.get(write, timeout=60),
        "another key": httpx.get(read.replace("/a?", "/b?"), timeout=60),
        "writing another key": httpx.put(
            write.replace("/a?", "/b?"), content=b"evil", headers=signed.headers, timeout=60
        ),
        "a later expiry": httpx.get(read.replace("xpires=", "xpires=9"), timeout=60),
        "another file name": httpx.get(read.replace("a.txt", "b.txt"), timeout=60),
        "another type": httpx.put(write, content=b"evil", headers={"Content-Type": "text/html"}, timeout=60),
        "no type": httpx.put(write, content=b"evil", timeout=60),
        "more bytes": httpx.put(write, content=b"evils", headers=signed.headers, timeout=60),
        "fewer bytes": httpx.put(write, content=b"bad", headers=signed.headers, timeout=60),
        "no signature": httpx.get(read.split("?")[0], timeout=60),
        "an expired URL": expired(target),
        "deleting by a URL for reading": httpx.delete(read, timeout=60),
        "deleting by a URL for writing": httpx.delete(write, headers=signed.headers, timeout=60),
    }


def test_a_signed_url_allows_nothing_but_what_was_signed(target: Target) -> None:
    answers = refusals(target)
    accepted = {what for what, answer in answers.items() if answer.is_success}
    if target.checks_signatures:
        assert accepted == set()
        assert {answer.status_code // 100 for answer in answers.values()} == {4}
        assert (target.store.read("a"), target.store.read("b")) == (b"mine", b"other")
    else:
        # moto wants a signature and verifies none; should it begin to, the test says so.
        assert set(answers) - accepted == {"no signature"}


@pytest.mark.parametrize("content", [b"", b"123", b"123456"], ids=["none", "fewer", "more"])
def test_an_upload_of_the_wrong_length_leaves_nothing(target: Target, content: bytes) -> None:
    answer = put(target, "a", content, size=5)
    assert answer.is_success is not target.checks_signatures  # as above: moto checks nothing
    assert (target.store.head("a") is None) is target.checks_signatures
