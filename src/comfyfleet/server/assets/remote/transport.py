"""Connects to the very address that was judged, while the host's name stays what TLS and the server see."""

from typing import Final

import httpx

from comfyfleet.server.assets.remote.guard import Guard

_TRIED: Final = 4


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests by `inner`, each to an address that the guard lets pass.

    `inner` must keep no connection: one that was made for a host must not serve another with the same address.
    """

    def __init__(self, guard: Guard, inner: httpx.AsyncBaseTransport) -> None:
        self._guard = guard
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first of the host's addresses that takes a connection."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        first, *others = await self._guard.addresses_of(url.scheme, url.raw_host.decode("ascii"), port)
        for address in (first, *others[: _TRIED - 1]):
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    """Return the request with an address in its URL; `Host` is set already, and the certificate must be the host's."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
    )
