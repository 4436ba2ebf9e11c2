"""ListObjectsV2: which keys and common prefixes a page holds, and its XML."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote

from benchmarks.s3.bucket import Stored

MAX_KEYS: Final = 1000
XML_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"


class ListingInvalid(ValueError):
    """The query of a listing makes no sense."""


@dataclass(frozen=True)
class Ask:
    """What a listing is asked for. `after` is the last key or common prefix of the page before."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    max_keys: int = MAX_KEYS
    encodes: bool = False


@dataclass(frozen=True)
class Page:
    """One page of a listing; `next_after` is empty on the last."""

    objects: tuple[Stored, ...]
    prefixes: tuple[str, ...]
    next_after: str


def read_ask(query: Mapping[str, str]) -> Ask:
    """Return what a query asks for.

    Raises:
        ListingInvalid: The number of keys or the token of continuation is none.
    """
    if not query.get("max-keys", "0").isdigit():
        raise ListingInvalid("max-keys is no number")
    token = query.get("continuation-token")
    return Ask(
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        after=_after(token) if token is not None else query.get("start-after", ""),
        max_keys=min(int(query.get("max-keys", MAX_KEYS)), MAX_KEYS),
        encodes=query.get("encoding-type") == "url",
    )


def page_of(stored: Iterable[Stored], ask: Ask) -> Page:
    """Return one page of the bucket's objects, which come in any order."""
    objects: list[Stored] = []
    prefixes: list[str] = []
    last = ""
    for one in sorted(stored, key=lambda one: one.key.encode()):
        shown = _shown_as(one.key, ask)
        if shown is None or shown.encode() <= ask.after.encode() or shown in prefixes[-1:]:
            continue
        if len(objects) + len(prefixes) >= ask.max_keys:
            return Page(tuple(objects), tuple(prefixes), last)
        if shown == one.key:
            objects.append(one)
        else:
            prefixes.append(shown)
        last = shown
    return Page(tuple(objects), tuple(prefixes), "")


def page_xml(bucket: str, ask: Ask, page: Page) -> bytes:
    """Return the answer's body."""
    write = quote if ask.encodes else escape
    contents = "".join(
        f"<Contents><Key>{write(one.key)}</Key><LastModified>{one.modified_iso}</LastModified>"
        f"<ETag>{escape(one.etag)}</ETag><Size>{one.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for one in page.objects
    )
    prefixes = "".join(f"<CommonPrefixes><Prefix>{write(one)}</Prefix></CommonPrefixes>" for one in page.prefixes)
    token = f"<NextContinuationToken>{_token(page.next_after)}</NextContinuationToken>" if page.next_after else ""
    encoding = "<EncodingType>url</EncodingType>" if ask.encodes else ""
    return (
        f'{XML_HEAD}<ListBucketResult xmlns="{NAMESPACE}"><Name>{escape(bucket)}</Name>'
        f"<Prefix>{write(ask.prefix)}</Prefix><Delimiter>{write(ask.delimiter)}</Delimiter>"
        f"<MaxKeys>{ask.max_keys}</MaxKeys><KeyCount>{len(page.objects) + len(page.prefixes)}</KeyCount>{encoding}"
        f"<IsTruncated>{'true' if page.next_after else 'false'}</IsTruncated>{token}{contents}{prefixes}"
        "</ListBucketResult>"
    ).encode()


def _shown_as(key: str, ask: Ask) -> str | None:
    if not key.startswith(ask.prefix):
        return None
    if not ask.delimiter:
        return key
    head, delimiter, _ = key[len(ask.prefix) :].partition(ask.delimiter)
    return f"{ask.prefix}{head}{delimiter}" if delimiter else key


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode()


def _after(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ListingInvalid("the token of continuation is none of ours") from error
