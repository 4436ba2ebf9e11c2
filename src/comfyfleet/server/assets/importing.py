"""Files from URLs: looked at when asked for, and brought into the store by the background task, part by part."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from typing import Final

import httpx

from comfyfleet.cloud.ports import PartedUpload
from comfyfleet.core.errors import FleetError, Forbidden, Unavailable
from comfyfleet.protocol.library import NewAssetImport, NewAssetUpload, UploadState
from comfyfleet.server.assets import repository
from comfyfleet.server.assets.arrival import refuse
from comfyfleet.server.assets.errors import DigestWrong
from comfyfleet.server.assets.holding import Hold
from comfyfleet.server.assets.remote import Guard, Patience, RemoteFile, open_remote, tokens_for
from comfyfleet.server.assets.remote.errors import RemoteChanged
from comfyfleet.server.assets.uploads import Standing, insert_upload, parted_of, storable, store_known
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.wiring import Wiring

log = logging.getLogger(__name__)

_UNKNOWN_HEAD: Final = "0" * 64  # nobody has read the first bytes yet; an import is never taken for a known file
_BRIEF: Final = Patience(tries=2, idle_seconds=10)  # somebody waits for the answer
_RETRY: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(days=1)
_SECRET: Final = re.compile(r"token|key|sig|secret|passw|credential|policy", re.IGNORECASE)


async def begin(wiring: Wiring, principal: Principal, new: NewAssetImport) -> Standing:
    """Look at a URL and begin to import its file, unless its digest is known: then it is stored at once.

    Raises:
        DigestWrong: The host names another digest than the one that is expected.
        FleetError: The URL cannot be imported; see `remote.errors`.
    """
    async with _opened(wiring, new.url, _BRIEF) as remote:
        wanted = storable(_as_upload(new, remote))
    async with wiring.sessions.begin() as session:
        known = await repository.by_sha256(session, wanted.sha256) if wanted.sha256 else None
    if known is not None:
        return await store_known(wiring, principal, wanted, known)
    upload = await insert_upload(wiring, principal, wanted, import_url=new.url, import_etag=remote.etag)
    async with wiring.sessions.begin() as session:
        detail = {"filename": upload.filename, "size": upload.size, "upload_id": str(upload.id)}
        await audit.record(session, principal, "asset.import", upload.source_url or str(upload.id), detail)
    return Standing(upload, {})


async def bring(wiring: Wiring, hold: Hold) -> None:
    """Bring the rest of an import that we hold into the store; then it waits to be verified.

    A host or a store that is away is tried again for a day, from the first part that is lacking. Raises `HoldLost`.
    """
    try:
        await _bring(wiring, hold)
        await hold.change(state=UploadState.VERIFYING, problem=None, lease_expires_at=None)
    except (Unavailable, Forbidden) as error:
        if wiring.clock() - hold.upload.created_at > _LONGEST:
            await refuse(wiring, hold, str(error))
            return
        log.warning("importing %s is put off: %s", hold.upload.id, error)
        await hold.change(problem=str(error), lease_expires_at=wiring.clock() + _RETRY)
    except FleetError as error:
        await refuse(wiring, hold, str(error))


async def _bring(wiring: Wiring, hold: Hold) -> None:
    upload, parted = hold.upload, parted_of(hold.upload)
    received = await asyncio.to_thread(wiring.model_parts.parts, parted)
    async with _opened(wiring, upload.import_url or "", Patience()) as remote:
        if remote.size != upload.size:
            raise RemoteChanged("The file at the URL has another size by now.", hint="Begin the import again.")
        if remote.etag != upload.import_etag or not remote.etag:  # perhaps other bytes than those that have come
            received = {}
            await hold.change(import_etag=remote.etag)
        first = next((one for one in range(1, parted.part_count + 1) if one not in received), parted.part_count + 1)
        async with contextlib.aclosing(_parts(parted, first, remote)) as parts:
            async for number, content in parts:
                hold.check()
                await asyncio.to_thread(wiring.model_parts.write_part, parted, number, content)


async def _parts(parted: PartedUpload, first: int, remote: RemoteFile) -> AsyncGenerator[tuple[int, bytes]]:
    """Yield the parts of a remote file with their numbers, from one on."""
    number, part = first, bytearray()
    async with contextlib.aclosing(remote.stream(parted.offset_of(first))) as pieces:
        async for piece in pieces:
            part += piece
            while number <= parted.part_count and len(part) >= (size := parted.size_of(number)):
                yield number, bytes(memoryview(part)[:size])
                del part[:size]
                number += 1


@contextlib.asynccontextmanager
async def _opened(wiring: Wiring, url: str, patience: Patience) -> AsyncIterator[RemoteFile]:
    settings = wiring.settings
    tokens = tokens_for(huggingface=settings.import_huggingface_token, civitai=settings.import_civitai_token)
    guard = Guard(settings.import_allowed_networks)
    async with open_remote(
        url, guard=guard, tokens=tokens, max_bytes=settings.import_max_bytes, patience=patience
    ) as remote:
        yield remote


def _as_upload(new: NewAssetImport, remote: RemoteFile) -> NewAssetUpload:
    if new.sha256 and remote.sha256 and new.sha256 != remote.sha256:
        raise DigestWrong(
            f"The host says that the file has the digest {remote.sha256}, and {new.sha256} is expected.",
            hint="Check the URL and the digest.",
        )
    return NewAssetUpload(
        filename=new.filename or remote.filename,
        size=remote.size,
        head_sha256=_UNKNOWN_HEAD,
        sha256=new.sha256 or remote.sha256,
        kind=new.kind,
        notes=new.notes,
        license=new.license,
        source_url=_without_secrets(new.url),
    )


def _without_secrets(url: str) -> str:
    """Return a URL that everyone may see: without a query that signs it."""
    parsed = httpx.URL(url)
    is_signed = any(_SECRET.search(name) for name in parsed.params)
    return str(parsed.copy_with(query=None)) if is_signed else url
