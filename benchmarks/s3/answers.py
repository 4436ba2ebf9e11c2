"""What the server answers to a request: a status, headers, and bytes or a piece of a file."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Final

from benchmarks.s3.bucket import Folder, Stored
from benchmarks.s3.listing import NAMESPACE, XML_HEAD, ListingInvalid, page_of, page_xml, read_ask
from benchmarks.s3.requests import Request

_STATUS_OF: Final = {
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "MethodNotAllowed": 405,
    "PreconditionFailed": 412,
    "InvalidRange": 416,
    "InvalidArgument": 400,
}
_REASONS: Final = {
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    416: "Requested Range Not Satisfiable",
}
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Piece:
    """A part of an open file, which is closed by who sends it; `name` is `<bucket>/<key>`."""

    file: int
    start: int
    length: int
    name: str


@dataclass(frozen=True)
class Answer:
    """One answer; the body is `body`, or `piece` where that is given."""

    status: int
    body: bytes = b""
    piece: Piece | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        """Return the status line and the headers, with the empty line at their end."""
        length = len(self.body) if self.piece is None else self.piece.length
        lines = [f"HTTP/1.1 {self.status} {_REASONS[self.status]}", "Server: bench", "x-amz-request-id: bench"]
        lines += [f"{name}: {value}" for name, value in {"Content-Length": str(length), **self.headers}.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer(folder: Folder, request: Request) -> Answer:
    """Return the answer to a request whose signature is right."""
    if request.method not in {"GET", "HEAD"}:
        return refuse("MethodNotAllowed")
    bucket, _, key = request.path[1:].partition("/")
    if not bucket:
        return _xml(_buckets_xml(folder))
    if not folder.has_bucket(bucket):
        return refuse("NoSuchBucket")
    return _object(folder, request, bucket, key) if key else _bucket(folder, request, bucket)


def refuse(code: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return S3's answer to a request that cannot be fulfilled."""
    body = f"{XML_HEAD}<Error><Code>{escape(code)}</Code><Message>{escape(code)}</Message></Error>"
    return Answer(_STATUS_OF[code], body.encode(), headers={"Content-Type": "application/xml", **(headers or {})})


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the length that a Range header asks of `size` bytes; None is the whole.

    Raises:
        ValueError: No byte of the object is in the range.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.group() == "bytes=-":
        return None  # RFC 9110: a range that is not understood is ignored
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        start = size - length
    else:
        start = int(first)
        length = min(int(last), size - 1) - start + 1 if last else size - start
        if last and int(last) < start:
            return None
    if length <= 0:
        raise ValueError(header)
    return start, length


def _bucket(folder: Folder, request: Request, bucket: str) -> Answer:
    if request.method == "HEAD":
        return Answer(200, headers={"x-amz-bucket-region": "us-east-1"})
    query = request.query
    if "location" in query:
        return _xml(f'{XML_HEAD}<LocationConstraint xmlns="{NAMESPACE}"></LocationConstraint>'.encode())
    if query.get("list-type") != "2":
        return refuse("InvalidArgument")
    try:
        ask = read_ask(query)
    except ListingInvalid:
        return refuse("InvalidArgument")
    return _xml(page_xml(bucket, ask, page_of(folder.objects(bucket), ask)))


def _object(folder: Folder, request: Request, bucket: str, key: str) -> Answer:
    opened = folder.open(bucket, key)
    if opened is None:
        return refuse("NoSuchKey")
    file, stored = opened
    if request.headers.get("if-match", stored.etag) not in {stored.etag, "*"}:
        return _closing(file, refuse("PreconditionFailed"))
    try:
        part = range_of(request.headers.get("range"), stored.size)
    except ValueError:
        return _closing(file, refuse("InvalidRange", {"Content-Range": f"bytes */{stored.size}"}))
    start, length = part or (0, stored.size)
    headers = _object_headers(stored)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{stored.size}"
    piece = Piece(file, start, length, f"{bucket}/{key}")
    return Answer(206 if part is not None else 200, piece=piece, headers=headers)


def _object_headers(stored: Stored) -> dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        "ETag": stored.etag,
        "Last-Modified": stored.modified_http,
    }


def _closing(file: int, answer: Answer) -> Answer:
    os.close(file)
    return answer


def _xml(body: bytes) -> Answer:
    return Answer(200, body, headers={"Content-Type": "application/xml"})


def _buckets_xml(folder: Folder) -> bytes:
    buckets = "".join(
        f"<Bucket><Name>{escape(name)}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>"
        for name in folder.buckets()
    )
    return (
        f'{XML_HEAD}<ListAllMyBucketsResult xmlns="{NAMESPACE}"><Owner><ID>bench</ID></Owner>'
        f"<Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"
    ).encode()
