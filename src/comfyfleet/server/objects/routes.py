"""Objects on disk over HTTP: what a signed URL allows and nothing else."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from comfyfleet.cloud.local.objects import DiskObjectStore, DiskWriter
from comfyfleet.cloud.local.parts import DiskPartStore, PartWriter
from comfyfleet.core.errors import Invalid
from comfyfleet.core.keys import ObjectNotFound, WrongSize, check_key
from comfyfleet.core.signing import Grant, SignatureInvalid, verify

_SHOWN_TYPES: Final = ("image/", "video/", "audio/")
_MAX_UNANNOUNCED_BYTES: Final = 5 * 2**30  # where a single PUT to S3 ends, too
_CLIENT_CLOSED_REQUEST: Final = 499  # for the access log: nobody reads this answer
_CHUNK_BYTES: Final = 1024 * 1024
_MEDIA_POLICY: Final = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
"""Nothing runs. A browser shows a medium in a page of its own making, which fetches it again from here: not with
`sandbox`, for then that page has no origin."""
_FILE_POLICY: Final = "sandbox; default-src 'none'"
_SAFETY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
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
        is_shown = _is_shown(found.content_type)
        headers = {
            **_SAFETY_HEADERS,
            "Content-Security-Policy": _MEDIA_POLICY if is_shown else _FILE_POLICY,
            "Content-Type": found.content_type,  # as a header, for a media type of text would be given a charset
            "Content-Disposition": _disposition(grant, is_shown=is_shown),
        }
        return FileResponse(store.path_of(key), headers=headers)

    @router.put("/{bucket}/{key:path}", status_code=201)
    async def put_object(bucket: str, key: str, request: Request) -> Response:
        store, grant = _allowed(stores, bucket, key, request)
        _check_headers(grant, request)
        try:
            await _receive(store, grant, request)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_CLOSED_REQUEST)
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
    if length is None and request.headers.get("transfer-encoding") != "chunked":
        raise Invalid("The request has no length.", hint="Send Content-Length.")
    if length is None:
        return  # a chunked body is counted as it comes
    if grant.size is not None and int(length) != grant.size:
        raise WrongSize(f"{length} bytes are coming, and {grant.size} were announced.", hint="Ask for a new URL.")
    if int(length) > _limit(grant):
        raise WrongSize(f"{length} bytes are coming, and at most {_limit(grant)} are taken.", hint="Send less.")


def _limit(grant: Grant) -> int:
    return _MAX_UNANNOUNCED_BYTES if grant.size is None else grant.size


async def _receive(store: DiskObjectStore, grant: Grant, request: Request) -> None:
    """Write the body as it comes, one large chunk at a time, off the event loop."""
    with _open(store, grant) as writer:
        waiting = bytearray()
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= _CHUNK_BYTES:
                await asyncio.to_thread(writer.write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(writer.write, bytes(waiting))
        await asyncio.to_thread(writer.commit)


def _open(store: DiskObjectStore, grant: Grant) -> DiskWriter | PartWriter:
    if grant.upload is not None:
        parts = DiskPartStore(store)
        return parts.open_part(grant.upload, grant.part, offset=grant.offset, size=grant.size or 0)
    return store.open_write(grant.key, content_type=grant.content_type or "", size=grant.size, max_size=_limit(grant))


def _is_shown(content_type: str) -> bool:
    essence = content_type.partition(";")[0].strip().lower()
    return essence.startswith(_SHOWN_TYPES) and not essence.endswith("xml")  # SVG is a document that can run


def _disposition(grant: Grant, *, is_shown: bool) -> str:
    kind = "inline" if is_shown else "attachment"
    name = grant.filename or grant.key.rsplit("/", 1)[-1]
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"
