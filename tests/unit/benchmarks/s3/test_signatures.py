"""Signatures: what botocore signs is taken, and nothing else."""

import time
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from benchmarks.s3.requests import Request
from benchmarks.s3.signatures import Signatures, unsigned_target
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEYS: Final = Credentials("key", "secret")
HOST: Final = "127.0.0.1:9000"


def header_signed(target: str = "/b/a%20key?list-type=2&prefix=a%2F", keys: Credentials = KEYS) -> Request:
    request: Any = AWSRequest("GET", f"http://{HOST}{target}", {"Range": "bytes=0-9"})
    S3SigV4Auth(keys, "s3", "eu-west-1").add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request("GET", target, {"host": HOST, **headers})


def query_signed(target: str = "/b/key", seconds: int = 60) -> Request:
    request: Any = AWSRequest("GET", f"http://{HOST}{target}")
    S3SigV4QueryAuth(KEYS, "s3", "us-east-1", expires=seconds).add_auth(request)
    return Request("GET", request.url.removeprefix(f"http://{HOST}"), {"host": HOST})


def test_a_signed_header_is_taken() -> None:
    assert Signatures("key", "secret").refusal(header_signed()) is None


def test_a_signed_url_is_taken_again_and_again() -> None:
    signatures, request = Signatures("key", "secret"), query_signed()
    assert [signatures.refusal(request) for _ in range(3)] == [None, None, None]


@pytest.mark.parametrize("place", range(8))
def test_the_signature_may_stand_anywhere_in_the_query(place: int) -> None:
    request = query_signed("/b/key?versionId=1")
    path, _, query = request.target.partition("?")
    pairs = query.split("&")
    moved = [pair for pair in pairs if not pair.startswith("X-Amz-Signature=")]
    moved.insert(min(place, len(moved)), next(pair for pair in pairs if pair.startswith("X-Amz-Signature=")))
    assert Signatures("key", "secret").refusal(Request("GET", f"{path}?{'&'.join(moved)}", request.headers)) is None


def test_a_request_without_a_signature_is_refused() -> None:
    assert Signatures("key", "secret").refusal(Request("GET", "/b/key", {"host": HOST})) == "AccessDenied"


def test_another_access_key_is_refused() -> None:
    assert Signatures("other", "secret").refusal(query_signed()) == "InvalidAccessKeyId"


def test_another_secret_is_refused() -> None:
    assert (
        Signatures("key", "secret").refusal(header_signed(keys=Credentials("key", "wrong"))) == "SignatureDoesNotMatch"
    )


def test_a_url_for_another_object_is_refused_even_after_the_right_one() -> None:
    signatures, request = Signatures("key", "secret"), query_signed()
    assert signatures.refusal(request) is None
    other = Request("GET", request.target.replace("/b/key", "/b/other"), request.headers)
    assert signatures.refusal(other) == "SignatureDoesNotMatch"


def test_a_signed_header_that_was_changed_is_refused() -> None:
    request = header_signed()
    changed = Request("GET", request.target, {**request.headers, "range": "bytes=0-99"})
    assert Signatures("key", "secret").refusal(changed) == "SignatureDoesNotMatch"


def test_a_url_ends_when_it_says() -> None:
    signatures = Signatures("key", "secret", clock=lambda: time.time() + 61)
    assert signatures.refusal(query_signed(seconds=60)) == "AccessDenied"


def test_a_header_signed_long_ago_is_refused() -> None:
    signatures = Signatures("key", "secret", clock=lambda: datetime.now(UTC).timestamp() + 1000)
    assert signatures.refusal(header_signed()) == "RequestTimeTooSkewed"


def test_the_target_without_its_signature_is_what_was_signed() -> None:
    assert unsigned_target("/k?X-Amz-Signature=ab") == "/k?"
    assert unsigned_target("/k?a=1&X-Amz-Signature=ab") == "/k?a=1"
    assert unsigned_target("/k?X-Amz-Signature=ab&a=1") == "/k?a=1"
    assert unsigned_target("/k?a=1&X-Amz-Signature=ab&b=2") == "/k?a=1&b=2"
