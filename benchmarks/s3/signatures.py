"""Checks version 4 signatures, in a header or in the query, by signing again with botocore."""

import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials

from benchmarks.s3.requests import Request

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{64})"
)
_SIGNATURE_PAIR: Final = re.compile(r"(?:(?<=\?)|&)X-Amz-Signature=[^&]*&?")
_TIME: Final = "%Y%m%dT%H%M%SZ"
_SKEW_SECONDS: Final = 900
_MAX_REMEMBERED: Final = 100_000


@dataclass(frozen=True)
class Claim:
    """What a request says about its own signature. `seconds` is how long it holds."""

    credential: str
    signed_headers: tuple[str, ...]
    signature: str
    signed_at: str
    seconds: int
    in_query: bool


class Signatures:
    """Knows one pair of keys, and which signatures it has found right already.

    A client that fetches ranges by one signed URL sends the same signature a hundred times; it is computed once.
    """

    def __init__(self, access_key: str, secret_key: str, *, clock: Callable[[], float] = time.time) -> None:
        self._credentials = Credentials(access_key, secret_key)
        self._access_key = access_key
        self._clock = clock
        self._right: set[tuple[str, ...]] = set()

    def refusal(self, request: Request) -> str | None:
        """Return S3's error code when the request is not signed rightly, else None."""
        claim = read_claim(request)
        if claim is None:
            return "AccessDenied"
        access_key, _, scope = claim.credential.partition("/")
        if access_key != self._access_key:
            return "InvalidAccessKeyId"
        late = self._lateness(claim)
        if late is not None:
            return late
        return None if self._is_right(request, claim, scope) else "SignatureDoesNotMatch"

    def _lateness(self, claim: Claim) -> str | None:
        try:
            signed_at = datetime.strptime(claim.signed_at, _TIME).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return "AccessDenied"
        age = self._clock() - signed_at
        if age > claim.seconds:
            return "AccessDenied" if claim.in_query else "RequestTimeTooSkewed"
        return "RequestTimeTooSkewed" if age < -_SKEW_SECONDS else None

    def _is_right(self, request: Request, claim: Claim, scope: str) -> bool:
        values = [request.headers.get(name, "") for name in claim.signed_headers]
        shown = (request.method, request.target, claim.credential, claim.signed_at, claim.signature, *values)
        if shown in self._right:
            return True
        parts = scope.split("/")
        if "host" not in claim.signed_headers or len(parts) != 4 or parts[2:] != ["s3", "aws4_request"]:
            return False
        right = hmac.compare_digest(self._sign(request, claim, region=parts[1]), claim.signature)
        if right:
            if len(self._right) >= _MAX_REMEMBERED:
                self._right.clear()
            self._right.add(shown)
        return right

    def _sign(self, request: Request, claim: Claim, *, region: str) -> str:
        signer = _Signer(self._credentials, "s3", region)
        signed = {name: request.headers.get(name, "") for name in claim.signed_headers}
        copy: Any = AWSRequest(request.method, f"http://{signed['host']}{unsigned_target(request.target)}", signed)
        if claim.in_query:
            copy.headers.add_header("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")
        elif "x-amz-content-sha256" not in signed:
            copy.headers.add_header("X-Amz-Content-SHA256", request.headers.get("x-amz-content-sha256", ""))
        copy.context["timestamp"] = claim.signed_at
        signer.names = frozenset(claim.signed_headers)
        return str(signer.signature(signer.string_to_sign(copy, signer.canonical_request(copy)), copy))


class _Signer(S3SigV4Auth):  # type: ignore[misc] # botocore has no types
    """Signs exactly the headers that the client signed, where botocore would leave out some."""

    names: frozenset[str] = frozenset()

    def headers_to_sign(self, request: Any) -> Any:
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            if name.lower() in self.names:
                chosen[name.lower()] = value
        return chosen


def read_claim(request: Request) -> Claim | None:
    """Return what the request's header or query says about its signature; None where it says nothing whole."""
    if "authorization" in request.headers:
        return _header_claim(request.headers)
    if "X-Amz-Signature=" in request.target:
        return _query_claim(request.target.partition("?")[2])
    return None


def unsigned_target(target: str) -> str:
    """Return a request's target without the signature: what the client signed."""
    return _SIGNATURE_PAIR.sub(lambda found: "&" if _is_between(found.group()) else "", target)


def _is_between(pair: str) -> bool:
    return pair.startswith("&") and pair.endswith("&")


def _header_claim(headers: Mapping[str, str]) -> Claim | None:
    found = _HEADER.fullmatch(headers["authorization"])
    if found is None:
        return None
    return Claim(
        credential=found.group(1),
        signed_headers=tuple(found.group(2).split(";")),
        signature=found.group(3),
        signed_at=headers.get("x-amz-date", ""),
        seconds=_SKEW_SECONDS,
        in_query=False,
    )


def _query_claim(query: str) -> Claim | None:
    pairs = dict(parse_qsl(query))
    seconds = pairs.get("X-Amz-Expires", "")
    if pairs.get("X-Amz-Algorithm") != _ALGORITHM or not seconds.isdigit():
        return None
    return Claim(
        credential=pairs.get("X-Amz-Credential", ""),
        signed_headers=tuple(pairs.get("X-Amz-SignedHeaders", "").split(";")),
        signature=pairs.get("X-Amz-Signature", ""),
        signed_at=pairs.get("X-Amz-Date", ""),
        seconds=int(seconds),
        in_query=True,
    )
