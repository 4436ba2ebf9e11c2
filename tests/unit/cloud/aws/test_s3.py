"""How S3's answers become ours, told by a server that answers what it is told."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from comfyfleet.cloud.aws.errors import AwsRefused, AwsUnavailable
from comfyfleet.cloud.aws.s3 import S3ObjectStore, make_s3_client
from comfyfleet.core.keys import ObjectNotFound


@contextlib.contextmanager
def answering(*answers: tuple[int, str]) -> Iterator[tuple[S3ObjectStore, list[str]]]:
    """Yield a store whose server gives these answers in turn, and the methods that it was asked."""
    asked: list[str] = []
    remaining = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # without it, each PUT waits a second for its "100 Continue"

        def answer(self) -> None:
            asked.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, code = remaining.pop(0)
            body = f"<Error><Code>{code}</Code><Message>{code} it is</Message></Error>".encode() if code else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_DELETE = answer  # noqa: N815 - the names are the base class's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = make_s3_client(
        endpoint_url=f"http://127.0.0.1:{server.server_port}", access_key_id="any", secret_access_key="any"
    )
    try:
        yield S3ObjectStore("bucket", client), asked
    finally:
        client.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "error", "hint"),
    [
        (404, "NoSuchKey", ObjectNotFound, ""),
        (404, "NoSuchBucket", AwsUnavailable, "bucket's name"),
        (403, "AccessDenied", AwsRefused, "credentials"),
        (403, "SignatureDoesNotMatch", AwsRefused, "credentials"),
        (409, "OperationAborted", AwsUnavailable, "later"),
    ],
)
def test_a_refusal_becomes_an_error_that_says_what_to_do(
    status: int, code: str, error: type[AwsRefused | AwsUnavailable | ObjectNotFound], hint: str
) -> None:
    with answering((status, code)) as (store, _), pytest.raises(error) as raised:
        store.read("a")
    assert type(raised.value) is error
    assert hint in raised.value.hint


def test_creating_is_tried_again_while_somebody_else_writes() -> None:
    with answering((409, "ConditionalRequestConflict"), (200, "")) as (store, asked):
        assert store.write("a", b"x", content_type="text/plain", create_only=True) is True
        assert asked == ["PUT", "PUT"]
    with answering((409, "ConditionalRequestConflict"), (412, "PreconditionFailed")) as (store, _):
        assert store.write("a", b"x", content_type="text/plain", create_only=True) is False
    with answering(*[(409, "ConditionalRequestConflict")] * 3) as (store, asked):
        with pytest.raises(AwsUnavailable):
            store.write("a", b"x", content_type="text/plain", create_only=True)
        assert len(asked) == 3


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with answering() as (store, _):
        pass
    with pytest.raises(AwsUnavailable, match="Check the endpoint and the network"):
        store.read("a")


def test_missing_keys_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    client = make_s3_client(endpoint_url="http://127.0.0.1:1")
    with pytest.raises(AwsRefused, match="Set the access key"):
        S3ObjectStore("bucket", client).read("a")
    client.close()


def test_a_signed_put_binds_type_and_length_and_a_get_the_file_name() -> None:
    with answering() as (store, _):
        put = store.sign_put("a", expires_seconds=90, content_type="video/mp4", size=0)
        get = store.sign_get("a", expires_seconds=90, filename="ü.mp4")
    query = parse_qs(urlsplit(put.url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert query["X-Amz-Expires"] == ["90"]
    assert put.headers == {"Content-Type": "video/mp4"}
    assert parse_qs(urlsplit(get.url).query)["response-content-disposition"] == ["inline; filename*=UTF-8''%C3%BC.mp4"]
