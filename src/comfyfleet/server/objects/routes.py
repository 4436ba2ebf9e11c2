"""Objects on disk over HTTP: what a signed URL allows and nothing else."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from comfyfleet.cloud.local.objects import DiskObjectStore, WrongSize
from comfyfleet.core.errors import Invalid
from comfyfleet.core.keys import ObjectNotFound, check_key
from comfyfleet.core.signing import Grant, SignatureInvalid, verify

_SHOWN_TYPES: Final = ("image/", "video/", "audio/")
_NOT_SHOWN: Final = ("image/svg+xml",)
_CHUNK_BYTES: Final = 1024 * 1024
_SAFETY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'; img-src 'self'",
    "Cache-Control": "private, max-age=3600",
    "Cross-Origin-Resource-Policy": "same-site",
}


def make_router(stores: Mapping[str, DiskObjectStore]) -> APIRouter:
    """Return the routes of the buckets that are on this disk."""
    router = APIRouter(prefix="/objects", include_in_schema=False)

    @router.api_route("/{bucket}/{key:path}", methods=["GET", "HEAD"])
    async def get_object(bucket: str, key: str, request: Request) -> Response:
        store, grant = _allowed(stores, bucket, key, request)
        found = await asyncio.to_thread(store.head, key)
        if found is None:
            raise ObjectNotFound("There is no such object.", hint="It may have been removed.")
        headers = {**_SAFETY_HEADERS, "Content-Disposition": _disposition(grant, found.content_type)}
        return FileResponse(store.path_of(key), media_type=found.content_type, headers=headers)

    @router.put("/{bucket}/{key:path}", status_code=201)
    async def put_object(bucket: str, key: str, request: Request) -> Response:
        store, grant = _allowed(stores, bucket, key, request)
        _check_headers(grant, request)
        await _receive(store, grant, request)
        return Response(status_code=201)

    return router


def _allowed(
    stores: Mapping[str, DiskObjectStore], bucket: str, key: str, request: Request
) -> tuple[DiskObjectStore, Grant]:
    store = stores.get(bucket)
    if store is None:
        raise SignatureInvalid("This URL is not valid for this request.", hint="Ask for a new one.")
    query = dict(request.query_params)
    grant = verify(request.method, bucket, check_key(key), query, signing_key=store.signing_key, now=store.now())
    return store, grant


def _check_headers(grant: Grant, request: Request) -> None:
    content_type = request.headers.get("content-type")
    if content_type != grant.content_type:
        raise SignatureInvalid(
            f"This URL is for the content type '{grant.content_type}'.", hint="Send exactly the headers you were given."
        )
    length = request.headers.get("content-length")
    if grant.size is not None and length is not None and int(length) != grant.size:
        raise WrongSize(f"{length} bytes are coming, and {grant.size} were announced.", hint="Ask for a new URL.")


async def _receive(store: DiskObjectStore, grant: Grant, request: Request) -> None:
    """Write the body as it comes, one large chunk at a time, off the event loop."""
    with store.open_write(grant.key, content_type=grant.content_type or "", size=grant.size) as writer:
        waiting = bytearray()
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= _CHUNK_BYTES:
                await asyncio.to_thread(writer.write, bytes(waiting))
                waiting.clear()
        writer.write(bytes(waiting))
        _check_whole(request)
        await asyncio.to_thread(writer.commit)


def _check_whole(request: Request) -> None:
    # Starlette raises ClientDisconnect for a lost connection; a body without a length cannot be judged otherwise.
    if "content-length" not in request.headers and request.headers.get("transfer-encoding") != "chunked":
        raise Invalid("The request has no length.", hint="Send Content-Length.")


def _disposition(grant: Grant, content_type: str) -> str:
    is_shown = content_type.startswith(_SHOWN_TYPES) and content_type not in _NOT_SHOWN
    kind = "inline" if is_shown else "attachment"
    name = grant.filename or grant.key.rsplit("/", 1)[-1]
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"
