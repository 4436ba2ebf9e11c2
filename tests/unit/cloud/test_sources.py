"""Where a machine reads objects from."""

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
        assert httpx.get(url, headers={"Range": "bytes=2-4"}).content == b"234"
        assert httpx.get(url.replace("Signature=", "Signature=0")).status_code == 403


def test_a_url_is_signed_once_and_used_again(credentials: None) -> None:
    source = S3Source("models", region="eu-west-1")
    place = source.locate("a")
    assert source.locate("a") == place
    assert urlsplit(place.url or "").netloc == "models.s3.eu-west-1.amazonaws.com"


def test_a_bucket_with_dots_and_one_in_china_have_addresses_of_their_own(credentials: None) -> None:
    assert urlsplit(S3Source("a.b", region="us-west-2").locate("k").url or "").path == "/a.b/k"
    assert "amazonaws.com.cn" in (S3Source("models", region="cn-north-1").locate("k").url or "")


def test_missing_credentials_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(AwsRefused, match="no credentials"):
        S3Source("models")
