"""Where a machine reads objects from."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.seaweedfs import ACCESS_KEY, SECRET_KEY, client_of, seaweedfs

from comfyfleet.cloud.aws.errors import AwsRefused
from comfyfleet.cloud.aws.source import S3Source
from comfyfleet.cloud.local.objects import DiskObjectStore
from comfyfleet.cloud.local.source import DiskSource
from comfyfleet.core.keys import InvalidKey

KEY = "assets/lora/with space+ü%"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


def test_a_disk_source_finds_what_a_disk_store_has_stored(tmp_path: Path) -> None:
    DiskObjectStore(tmp_path, "models", b"key").write(KEY, b"bytes", content_type="text/plain")
    path = DiskSource(tmp_path / "models").locate(KEY).path
    assert path is not None
    assert path.read_bytes() == b"bytes"


def test_no_source_leads_elsewhere(tmp_path: Path, credentials: None) -> None:
    for source in (DiskSource(tmp_path), S3Source("bucket")):
        with pytest.raises(InvalidKey):
            source.locate("../secret")


def test_a_server_that_checks_signatures_opens_the_urls_of_an_s3_source(tmp_path: Path, credentials: None) -> None:
    with seaweedfs(tmp_path) as endpoint:
        client = client_of(endpoint)
        client.create_bucket(Bucket="models")
        client.put_object(Bucket="models", Key=KEY, Body=b"0123456789")
        url = S3Source("models", endpoint_url=endpoint).locate(KEY).url
        assert url is not None
        assert httpx.get(url, headers={"Range": "bytes=2-4"}, timeout=60).content == b"234"
        assert httpx.get(url.replace("Signature=", "Signature=0"), timeout=60).status_code == 403


def test_a_url_is_signed_once_and_used_again(credentials: None) -> None:
    source = S3Source("models", region="eu-west-1")
    place = source.locate("a")
    assert source.locate("a") == place
    assert urlsplit(place.url or "").netloc == "models.s3.eu-west-1.amazonaws.com"


def test_a_bucket_with_dots_and_one_in_china_have_addresses_of_their_own(credentials: None) -> None:
    assert urlsplit(S3Source("a.b", region="us-west-2").locate("k").url or "").path == "/a.b/k"
    assert "amazonaws.com.cn" in (S3Source("models", region="cn-north-1").locate("k").url or "")


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """Be an instance with a role, which tells its credentials by version 2 of the metadata service only."""
    asked: list[str] = []
    answers = {
        "/latest/meta-data/iam/security-credentials/": "gpu-node",
        "/latest/meta-data/iam/security-credentials/gpu-node": json.dumps(
            {
                "Code": "Success",
                "AccessKeyId": "ASIAROLE",
                "SecretAccessKey": "secret",
                "Token": "session",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        ),
        "/latest/meta-data/placement/availability-zone/": "eu-central-1b",
    }

    class Metadata(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.answer(200, "a-token")

        def do_GET(self) -> None:
            asked.append(self.path)
            is_allowed = self.headers.get("x-aws-ec2-metadata-token") == "a-token"
            self.answer(200 if is_allowed and self.path in answers else 401, answers.get(self.path, ""))

        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    without_credentials(monkeypatch, tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        yield asked
        server.shutdown()
        thread.join()


def test_an_instance_reads_with_its_role_in_its_region(instance: list[str]) -> None:
    url = S3Source("models").locate("a").url or ""
    assert urlsplit(url).netloc == "models.s3.eu-central-1.amazonaws.com"
    assert "X-Amz-Credential=ASIAROLE" in url
    assert "X-Amz-Security-Token=session" in url
    assert instance


def without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


def test_missing_credentials_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_credentials(monkeypatch, tmp_path)
    with pytest.raises(AwsRefused, match="no credentials"):
        S3Source("models")
