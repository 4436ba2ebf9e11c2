"""A job's result: streamed from ComfyUI to storage, never held in memory nor written to this machine's disk again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

import httpx

from comfyfleet.protocol.worker import LeasedJob
from comfyfleet.worker.addresses import bare
from comfyfleet.worker.backoff import Backoff
from comfyfleet.worker.comfyui.client import ComfyUI
from comfyfleet.worker.errors import OutputLost, OutputRefused
from comfyfleet.worker.outcome.files import OutputFile

log = logging.getLogger(__name__)

_TRIES: Final = 5
_CHUNK_BYTES: Final = 256 * 1024
_TIMEOUT: Final = httpx.Timeout(10, read=120, write=60)
"""Storage may take its time to answer after the last byte."""


async def send_output(storage: httpx.AsyncClient, comfyui: ComfyUI, file: OutputFile, job: LeasedJob) -> int:
    """PUT an output file to the job's signed URL and return its size in bytes.

    Raises:
        OutputLost: ComfyUI has no such file, or gives less than it promised.
        OutputRefused: Storage did not take it, although it was tried several times.
    """
    backoff = Backoff(0.5, 8)
    for _ in range(_TRIES - 1):
        try:
            return await _send_once(storage, comfyui, file, job)
        except OutputRefused as error:
            log.warning("job %d: %s Trying again.", job.job_id, error)
        await asyncio.sleep(backoff.next_seconds())
    return await _send_once(storage, comfyui, file, job)


async def _send_once(storage: httpx.AsyncClient, comfyui: ComfyUI, file: OutputFile, job: LeasedJob) -> int:
    place = bare(job.output_url)
    async with comfyui.view(file) as source:
        size = _size_of(source, file)
        headers = httpx.Headers(job.output_headers)
        headers["Content-Length"] = str(size)
        try:
            response = await storage.put(
                job.output_url, headers=headers, content=_whole(source, file, size), timeout=_TIMEOUT
            )
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise OutputRefused(f"The upload of the result broke ({place}): {reason}.") from error
    if not response.is_success:
        raise OutputRefused(f"Storage answered {response.status_code} to the result ({place}).")
    return size


def _size_of(source: httpx.Response, file: OutputFile) -> int:
    length = source.headers.get("Content-Length", "")
    if not length.isdigit() or int(length) == 0:
        raise OutputLost(f"ComfyUI's file '{file.filename}' is empty, or it does not say how long it is.")
    return int(length)


async def _whole(source: httpx.Response, file: OutputFile, size: int) -> AsyncIterator[bytes]:
    """Yield the file's bytes. A read that breaks is ComfyUI's fault, not storage's."""
    sent = 0
    try:
        async for chunk in source.aiter_raw(_CHUNK_BYTES):
            sent += len(chunk)
            yield chunk
    except httpx.TransportError as error:
        raise OutputLost(f"ComfyUI stopped in the middle of '{file.filename}'.") from error
    if sent != size:
        raise OutputLost(f"ComfyUI gave {sent} bytes of '{file.filename}', which has {size}.")
