"""A signed URL allows exactly what was signed."""

import dataclasses
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfleet.core.keys import InvalidKey, check_key
from comfyfleet.core.signing import Grant, SignatureExpired, SignatureInvalid, sign, verify

KEY = b"a signing key"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PUT = Grant("PUT", "media", "a/b c.mp4", NOW + timedelta(hours=1), content_type="video/mp4", size=5)
GET = Grant("GET", "media", "a/b c.mp4", NOW + timedelta(hours=1), filename='x".mp4')

segments = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\\x7f"), min_size=1, max_size=20
)
keys = st.lists(segments.filter(lambda part: part not in {".", ".."}), min_size=1, max_size=4).map("/".join)


def check(
    url: str, method: str, more: dict[str, str] | None = None, *, now: datetime = NOW, signing_key: bytes = KEY
) -> Grant:
    parts = urlsplit(url)
    _, _, bucket, key = parts.path.split("/", 3)
    query = dict(parse_qsl(parts.query)) | (more or {})
    return verify(method, bucket, unquote(key), query, signing_key=signing_key, now=now)


@pytest.mark.parametrize("grant", [PUT, GET])
def test_what_was_signed_is_what_is_allowed(grant: Grant) -> None:
    assert check(sign(grant, KEY), grant.method) == grant


def test_a_get_allows_head() -> None:
    assert check(sign(GET, KEY), "HEAD") == GET


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_a_put_allows_nothing_else(method: str) -> None:
    with pytest.raises(SignatureInvalid):
        check(sign(PUT, KEY), method)


@pytest.mark.parametrize("more", [{"size": "6"}, {"type": "text/html"}, {"expires": "9999999999"}, {"extra": "1"}])
def test_a_changed_parameter_is_refused(more: dict[str, str]) -> None:
    with pytest.raises(SignatureInvalid):
        check(sign(PUT, KEY), "PUT", more)


def test_an_expired_url_is_refused_and_says_so() -> None:
    with pytest.raises(SignatureExpired):
        check(sign(GET, KEY), "GET", now=NOW + timedelta(hours=1))


def test_another_version_is_refused_even_with_our_signature() -> None:
    query = {"version": "1", "expires": str(int(GET.expires_at.timestamp()))}

    def signed_by_hand(version: str) -> dict[str, str]:
        parts = ["GET", "media", "a", "expires", query["expires"], "version", version]
        text = "".join(f"{len(part)}:{part}," for part in parts)
        return query | {"version": version, "signature": hmac.new(KEY, text.encode(), "sha256").hexdigest()}

    assert verify("GET", "media", "a", signed_by_hand("1"), signing_key=KEY, now=NOW).key == "a"
    with pytest.raises(SignatureInvalid):
        verify("GET", "media", "a", signed_by_hand("2"), signing_key=KEY, now=NOW)


@pytest.mark.parametrize("signature", ["", "x", "é", "\ud800", "0" * 64])
def test_a_signature_of_any_form_but_ours_is_refused(signature: str) -> None:
    with pytest.raises(SignatureInvalid):
        check(sign(GET, KEY), "GET", {"signature": signature})


def test_another_key_of_ours_signs_nothing() -> None:
    with pytest.raises(SignatureInvalid):
        check(sign(GET, KEY), "GET", signing_key=b"another")


@given(keys, keys)
def test_a_signature_fits_its_own_key_only(first: str, second: str) -> None:
    grant = dataclasses.replace(GET, key=first)
    query = dict(parse_qsl(urlsplit(sign(grant, KEY)).query))
    if first == second:
        assert verify("GET", "media", second, query, signing_key=KEY, now=NOW).key == first
    else:
        with pytest.raises(SignatureInvalid):
            verify("GET", "media", second, query, signing_key=KEY, now=NOW)


@given(keys)
def test_a_plain_key_is_accepted(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        "./a",
        "a\\b",
        "a\x00b",
        "a\nb",
        "a\x85b",
        "x" * 256,
        "a/" * 600,
        "\ud800",
    ],
)
def test_a_key_that_could_reach_elsewhere_is_refused(key: str) -> None:
    with pytest.raises(InvalidKey):
        check_key(key)
