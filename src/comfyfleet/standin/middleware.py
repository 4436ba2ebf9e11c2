"""What holds for every request: our mark on the answer, no foreign origin, no body beyond the limit."""

import logging
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comfyfleet.standin.settings import HEADER

logger = logging.getLogger(__name__)

_ANSWERS: Final = frozenset({"http.response.start", "websocket.accept"})


class Mark:
    """Says in a header of each answer that this is the stand-in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] in _ANSWERS:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = "1"
            await send(message)

        await self.app(scope, receive, marked)


class Trouble:
    """Answers 500 and text where our code trips, in ComfyUI's words; inside of `Mark`, so that this is marked too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_started = False

        async def watched(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http" or is_started:
                raise
            logger.exception("%s %s failed", scope["method"], scope["path"])
            text = "500 Internal Server Error\n\nServer got itself in trouble"
            # A body that nobody has read would be taken for the next request.
            await PlainTextResponse(text, 500, {"Connection": "close"})(scope, receive, send)


class OriginCheck:
    """Refuses with 403 what a page of another site sends; nothing else guards the API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not is_foreign(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("", 403)(scope, receive, send)


def is_foreign(headers: Headers) -> bool:
    """Tell whether a request comes from a page of another host; ports count where both sides name one.

    An origin that cannot be read, such as one with a port that is no number, is foreign.
    """
    origin, host = headers.get("origin"), headers.get("host")
    if origin is None or host is None:
        return False
    try:
        theirs, ours = urlsplit(origin.lower()), urlsplit(f"//{host.lower()}")
        if theirs.port is None or ours.port is None:
            return theirs.hostname != ours.hostname
    except ValueError:
        return True
    return theirs.netloc != ours.netloc


class BodyLimit:
    """Refuses with 413 a body of more bytes than the limit."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                await _drain(message, receive)
                reason = f"Maximum request body size {self.limit} exceeded, actual body size {size}"
                raise HTTPException(413, reason)
            return message

        await self.app(scope, limited, send)


async def _drain(message: Message, receive: Receive) -> None:
    """Read the rest of a body and throw it away: a client that still writes would see a broken pipe, not the 413."""
    while message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
