"""What the routes of objects on disk promise beyond what S3 does."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.ports.object_store.conftest import served

from comfyfleet.cloud.local.objects import DiskObjectStore

MIB = 2**20


@pytest.fixture
def store(tmp_path: Path) -> DiskObjectStore:
    """Return a store on a folder of its own."""
    return DiskObjectStore(tmp_path, "bucket", b"signing key")


@pytest.fixture
def base_url(store: DiskObjectStore) -> Iterator[str]:
    """Serve the store."""
    with served(store) as url:
        yield url


def incoming(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "bucket" / "incoming").iterdir())


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def get(store: DiskObjectStore, base_url: str, key: str, **headers: str) -> httpx.Response:
    return httpx.get(base_url + store.sign_get(key, expires_seconds=60).url, headers=headers, timeout=60)


@pytest.mark.parametrize("content_type", ["video/mp4", "image/png", "image/gif", "audio/mpeg"])
def test_media_are_shown_in_the_page(store: DiskObjectStore, base_url: str, content_type: str) -> None:
    store.write("a/clip ü", b"x", content_type=content_type)
    answer = get(store, base_url, "a/clip ü")
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''clip%20%C3%BC"
    # A tab that shows a video or sound fetches it again from here, which it may not from a sandbox.
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "media-src 'self'", "img-src 'self'"} <= set(policy)
    assert "sandbox" not in policy
    assert not any(part.startswith("script-src") for part in policy)


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "image/svg+xml", "IMAGE/SVG+XML", "image/svg+xml; charset=utf-8", "application/pdf", "text/plain"],
)
def test_whatever_could_run_is_saved_instead_of_shown(store: DiskObjectStore, base_url: str, content_type: str) -> None:
    store.write("a", b"<script>alert(1)</script>", content_type=content_type)
    answer = get(store, base_url, "a")
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_what_users_uploaded_runs_nowhere_and_is_kept_by_no_shared_cache(store: DiskObjectStore, base_url: str) -> None:
    store.write("a", b"x", content_type="image/png")
    headers = get(store, base_url, "a").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"].startswith("private")


def test_a_part_is_given_only_of_the_version_that_was_asked_for(store: DiskObjectStore, base_url: str) -> None:
    store.write("a", b"0123456789", content_type="video/mp4")
    etag = get(store, base_url, "a").headers["etag"]
    assert get(store, base_url, "a", **{"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    store.write("a", b"another content", content_type="video/mp4")
    whole = get(store, base_url, "a", **{"Range": "bytes=0-1", "If-Range": etag})
    assert (whole.status_code, whole.content) == (200, b"another content")
    assert whole.headers["etag"] != etag


def test_an_unknown_bucket_is_refused_like_a_wrong_signature(store: DiskObjectStore, base_url: str) -> None:
    answer = httpx.get(
        base_url + store.sign_get("a", expires_seconds=60).url.replace("/bucket/", "/other/"), timeout=60
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "signature_invalid")


def test_a_client_that_disconnects_leaves_nothing(
    store: DiskObjectStore, base_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signed = store.sign_put("a", expires_seconds=60, content_type="video/mp4", size=100)
    address = httpx.URL(base_url)
    with socket.create_connection((address.host, address.port or 80)) as client:
        head = f"PUT {signed.url} HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: 100\r\n\r\n"
        client.sendall(head.encode() + b"only some")
        assert eventually(lambda: len(incoming(tmp_path)) == 1)
    assert eventually(lambda: incoming(tmp_path) == [])
    assert store.head("a") is None
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_body_without_a_length_is_counted_as_it_comes(store: DiskObjectStore, base_url: str, tmp_path: Path) -> None:
    def put(mebibytes: int) -> httpx.Response:
        signed = store.sign_put("a", expires_seconds=60, content_type="video/mp4", size=3 * MIB)
        body = (b"x" * MIB for _ in range(mebibytes))
        return httpx.put(base_url + signed.url, headers=signed.headers, content=body, timeout=30)

    for wrong in (2, 4, 40):
        answer = put(wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "wrong_size")
        assert (store.head("a"), incoming(tmp_path)) == (None, [])
    assert put(3).status_code == 201


def test_more_than_a_single_put_may_hold_is_refused_before_it_comes(store: DiskObjectStore, base_url: str) -> None:
    signed = store.sign_put("a", expires_seconds=60, content_type="video/mp4")
    address = httpx.URL(base_url)
    with socket.create_connection((address.host, address.port or 80), timeout=10) as client:
        size = 5 * 2**30 + 1
        head = f"PUT {signed.url} HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: {size}\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 422")


def test_a_full_disk_is_told_and_leaves_the_old_object(store: DiskObjectStore, base_url: str, tmp_path: Path) -> None:
    store.write("a", b"old", content_type="video/mp4")
    signed = store.sign_put("a", expires_seconds=60, content_type="video/mp4")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, limits[1]))  # a write beyond it fails as on a full disk
    try:
        answer = httpx.put(base_url + signed.url, headers=signed.headers, content=b"x" * 3 * MIB, timeout=60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_full")
    assert "Make room" in answer.json()["error"]["hint"]
    assert (store.read("a"), incoming(tmp_path)) == (b"old", [])
