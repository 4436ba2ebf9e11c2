"""A client of the metadata service of a machine on AWS, version 2.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
"""

import asyncio
from typing import Final

import httpx

from comfyfleet.core.errors import Unavailable

_TOKEN_SECONDS: Final = 6 * 3600
_TIMEOUT: Final = httpx.Timeout(5, connect=2)
_MOST_BYTES: Final = 65_536


class MetadataUnreachable(Unavailable):
    """The metadata service does not answer, or not as it should."""

    code = "metadata_unreachable"


class Metadata:
    """Reads pages below `/latest/`. Its session token is renewed when the service no longer takes it."""

    def __init__(self, http: httpx.AsyncClient, endpoint: str) -> None:
        self._http = http
        self._base = f"{endpoint.rstrip('/')}/latest/"
        self._token: str | None = None
        self._lock = asyncio.Lock()

    async def read(self, path: str) -> str | None:
        """Return a page, or None where there is none.

        Raises:
            MetadataUnreachable: The service does not answer, or refuses a token that it has just given.
        """
        answer = await self._get(path, await self._session())
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._token = None
            answer = await self._get(path, await self._session())
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _text(answer, path)

    async def _session(self) -> str:
        async with self._lock:
            if self._token is None:
                headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
                self._token = _text(await self._send("PUT", "api/token", headers), "api/token")
            return self._token

    async def _get(self, path: str, token: str) -> httpx.Response:
        return await self._send("GET", path, {"X-aws-ec2-metadata-token": token})

    async def _send(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        try:
            return await self._http.request(method, self._base + path, headers=headers, timeout=_TIMEOUT)
        except httpx.HTTPError as error:
            raise MetadataUnreachable(
                f"The metadata service does not answer at {self._base}: {error!r}.",
                hint="Is this a machine on AWS, and its metadata service on?",
            ) from error


def _text(answer: httpx.Response, path: str) -> str:
    if not answer.is_success or len(answer.content) > _MOST_BYTES:
        raise MetadataUnreachable(f"The metadata service answered {answer.status_code} for {path}.")
    return answer.text
