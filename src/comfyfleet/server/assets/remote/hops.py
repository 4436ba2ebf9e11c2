"""Follows redirects by hand: each hop is checked anew, and a token goes to the origin that was asked for only."""

import contextlib
import logging
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from comfyfleet.server.assets.remote.errors import RemoteRefused, RemoteUrlRefused
from comfyfleet.server.assets.remote.guard import Guard
from comfyfleet.server.assets.remote.tokens import Tokens, authorization, origin_of
from comfyfleet.server.assets.remote.transport import GuardedTransport
from comfyfleet.server.assets.remote.urls import check_url, shown

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs, and a signed one opens its object

MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CONNECT_SECONDS: Final = 15.0
_LINKED_DIGEST: Final = re.compile(r'(?:W/)?"?([0-9a-f]{64})"?')
_HEADERS: Final = {"User-Agent": "comfyfleet", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Answer:
    """The answer that is no redirect, and what the hops before it said of the file (Hugging Face does)."""

    response: httpx.Response
    linked_sha256: str | None
    linked_size: int | None


class Hops:
    """Makes GET requests for one URL that a person gave, and for what it redirects to."""

    def __init__(self, client: httpx.AsyncClient, url: httpx.URL, tokens: Tokens) -> None:
        self.url = url
        self._client = client
        self._tokens = tokens

    @contextlib.asynccontextmanager
    async def get(self, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        """Yield the answer at the end of the redirects; its body is read as it is asked for.

        Raises:
            RemoteUrlRefused, RemoteAddressRefused: A hop leads where we do not read.
            RemoteRefused: There are too many hops.
            httpx.TransportError: A connection failed.
        """
        url, linked_sha256, linked_size = self.url, None, None
        for _ in range(MOST_REDIRECTS + 1):
            request = self._client.build_request("GET", url, headers={**headers, **self._authorization(url)})
            response = await self._client.send(request, stream=True)
            try:
                linked_sha256 = linked_sha256 or _linked_digest(response)
                linked_size = linked_size or _linked_size(response)
                if response.status_code not in _REDIRECTS:
                    yield Answer(response, linked_sha256, linked_size)
                    return
                url = _next_url(url, response)
            finally:
                await response.aclose()
        raise RemoteRefused(
            f"{shown(self.url)} redirects more than {MOST_REDIRECTS} times.", hint="Give the URL of the file itself."
        )

    def _authorization(self, url: httpx.URL) -> dict[str, str]:
        return authorization(self._tokens, url) if origin_of(url) == origin_of(self.url) else {}


def new_client(guard: Guard, *, idle_seconds: float, tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """Return a client whose connections all go through the guard; proxies of the environment would go around it."""
    inner = httpx.AsyncHTTPTransport(
        verify=tls or True, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
    )
    timeout = httpx.Timeout(idle_seconds, connect=min(_CONNECT_SECONDS, idle_seconds))
    return httpx.AsyncClient(
        transport=GuardedTransport(guard, inner),
        timeout=timeout,
        headers=_HEADERS,
        follow_redirects=False,
        trust_env=False,
    )


def _next_url(url: httpx.URL, response: httpx.Response) -> httpx.URL:
    location = response.headers.get("Location", "")
    if not location:
        raise RemoteRefused(f"{shown(url)} redirects to nowhere.", hint="Give the URL of the file itself.")
    try:
        following = check_url(str(url.join(location)))
    except httpx.InvalidURL as error:
        raise RemoteUrlRefused(f"{shown(url)} redirects to what is no URL.", hint="Give another URL.") from error
    if url.scheme == "https" and following.scheme != "https":
        raise RemoteUrlRefused(
            f"{shown(url)} redirects to {following.scheme}, which anybody on the way can change.",
            hint="Give the URL of the file itself.",
        )
    return following


def _linked_digest(response: httpx.Response) -> str | None:
    found = _LINKED_DIGEST.fullmatch(response.headers.get("X-Linked-ETag", ""))
    return found[1] if found else None


def _linked_size(response: httpx.Response) -> int | None:
    text = response.headers.get("X-Linked-Size", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
