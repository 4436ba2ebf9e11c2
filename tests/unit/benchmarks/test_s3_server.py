"""The S3 server, spoken to by boto3."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import pytest
from benchmarks.s3.signatures import Signatures
from benchmarks.s3_server import S3Server
from botocore.config import Config
from botocore.exceptions import ClientError

BODY: Final = bytes(range(256)) * 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    (tmp_path / "models" / "assets" / "lora").mkdir(parents=True)
    (tmp_path / "models" / "assets" / "lora" / "one").write_bytes(BODY)
    (tmp_path / "models" / "assets" / "lora" / "empty").touch()
    running = S3Server(tmp_path, Signatures("key", "secret"))
    thread = threading.Thread(target=running.serve)
    thread.start()
    yield running
    running.close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def client(server: S3Server) -> Iterator[Any]:
    made = client_of(server, "secret")
    yield made
    made.close()


def client_of(server: S3Server, secret: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id="key",
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(signature_version="s3v4"),
    )


def counts(server: S3Server) -> Any:
    return json.loads(httpx.get(f"{server.url}/_counts", timeout=60).content)


def test_objects_are_listed_and_read(client: Any) -> None:
    listed = client.list_objects_v2(Bucket="models", Prefix="assets/")["Contents"]
    assert [(one["Key"], one["Size"]) for one in listed] == [("assets/lora/empty", 0), ("assets/lora/one", len(BODY))]
    answer = client.get_object(Bucket="models", Key="assets/lora/one")
    assert answer["Body"].read() == BODY
    assert answer["ETag"] == listed[1]["ETag"]
    assert client.get_object(Bucket="models", Key="assets/lora/empty")["Body"].read() == b""


def test_ranges_are_read(client: Any) -> None:
    answer = client.get_object(Bucket="models", Key="assets/lora/one", Range="bytes=10-19")
    assert answer["Body"].read() == BODY[10:20]
    assert answer["ContentRange"] == f"bytes 10-19/{len(BODY)}"


def test_buckets_and_objects_tell_that_they_are_there(client: Any) -> None:
    assert client.head_bucket(Bucket="models")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert client.get_bucket_location(Bucket="models")["LocationConstraint"] is None
    assert [one["Name"] for one in client.list_buckets()["Buckets"]] == ["models"]
    assert client.head_object(Bucket="models", Key="assets/lora/one")["ContentLength"] == len(BODY)


def test_another_secret_is_refused(server: S3Server) -> None:
    client = client_of(server, "wrong")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.list_objects_v2(Bucket="models")
    client.close()


def test_bytes_that_left_are_counted_by_object(server: S3Server, client: Any) -> None:
    client.get_object(Bucket="models", Key="assets/lora/one", Range="bytes=0-9")["Body"].read()
    client.get_object(Bucket="models", Key="assets/lora/one")["Body"].read()
    client.head_object(Bucket="models", Key="assets/lora/one")
    assert counts(server) == {"models/assets/lora/one": {"gets": 2, "bytes": len(BODY) + 10}}
    assert httpx.delete(f"{server.url}/_counts", timeout=60).status_code == 204
    assert counts(server) == {}
