"""A job's files: from storage to this machine's disk, and on to ComfyUI."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx

from comfyfleet import names
from comfyfleet.core.graphs import Graph
from comfyfleet.core.payloads import replace_strings
from comfyfleet.protocol.worker import FileAsset, LeasedJob
from comfyfleet.worker.addresses import bare
from comfyfleet.worker.backoff import Backoff
from comfyfleet.worker.comfyui.client import ComfyUI
from comfyfleet.worker.durations import check_duration
from comfyfleet.worker.errors import InputMissing, InputUnavailable
from comfyfleet.worker.outcome.paths import JOB_FOLDER_PREFIX

log = logging.getLogger(__name__)

_TRIES: Final = 4
_CHUNK_BYTES: Final = 1024 * 1024
_IDLE_SECONDS: Final = 60.0


async def bring_inputs(storage: httpx.AsyncClient, comfyui: ComfyUI, job: LeasedJob, folder: Path) -> Graph:
    """Fetch the job's files into `folder`, hand them to ComfyUI, and return the graph with the names that it gave.

    Raises:
        InputMissing, InputUnavailable: Storage does not give a file whole.
        InputTooLong: It lasts longer than its property allows.
        InputRefused, ComfyUIUnreachable: ComfyUI does not take it.
    """
    files = files_of(job)
    subfolder = f"{JOB_FOLDER_PREFIX}{job.job_id}-{job.attempt}"
    named: dict[str, str] = {}
    for file, filename in zip(files, filenames(files), strict=True):
        path = folder / filename
        await fetch(storage, file, path)
        await asyncio.to_thread(check_duration, file, path)
        named[file.placeholder] = await comfyui.upload(path, filename, subfolder)
        await asyncio.to_thread(path.unlink)
    return with_names(job.input_payload.workflow, named)


def files_of(job: LeasedJob) -> list[FileAsset]:
    """Return the files of a job; a control plane that knows only the required fields names one, the primary input."""
    payload = job.input_payload
    if payload.assets or job.input_url is None or payload.input_path_placeholder is None:
        return payload.assets
    primary = FileAsset(
        key="input",
        type="file",
        placeholder=payload.input_path_placeholder,
        is_primary_input=True,
        download_url=job.input_url,
        filename=payload.input_name,
    )
    return [primary]


def filenames(files: Sequence[FileAsset]) -> list[str]:
    """Name each file for ComfyUI: harmless, with the extension by which nodes know its type, and no two alike."""
    chosen: list[str] = []
    for file in files:
        name = names.safe_filename(file.filename or httpx.URL(file.download_url).path)
        taken = {other.lower() for other in chosen}
        chosen.append(name if name.lower() not in taken else names.safe_filename(f"{file.key}-{name}"))
    return chosen


def with_names(graph: Graph, named: Mapping[str, str]) -> Graph:
    """Return the graph with each placeholder (a key of `named`) replaced by the name of its file."""
    if not named:
        return graph
    pattern = re.compile("|".join(re.escape(placeholder) for placeholder in sorted(named, key=len, reverse=True)))

    def place(text: str) -> str:
        return pattern.sub(lambda match: named[match.group()], text)

    return {node_id: {**node, "inputs": replace_strings(node["inputs"], place)} for node_id, node in graph.items()}


async def fetch(storage: httpx.AsyncClient, file: FileAsset, path: Path) -> None:
    """Download one file with bounded memory and check its size and digest, as far as they are known.

    Raises:
        InputMissing: Storage has no such object.
        InputUnavailable: It could not be had whole, although it was tried several times.
    """
    backoff = Backoff(0.5, 5)
    for remaining in reversed(range(_TRIES)):
        try:
            await _fetch_once(storage, file, path)
        except InputUnavailable as error:
            if remaining == 0:
                raise
            log.warning("%s Trying again.", error)
            await asyncio.sleep(backoff.next_seconds())
        else:
            return


async def _fetch_once(storage: httpx.AsyncClient, file: FileAsset, path: Path) -> None:
    place = bare(file.download_url)
    digest = hashlib.sha256()
    size = 0
    try:
        async with storage.stream("GET", file.download_url, timeout=_IDLE_SECONDS) as response:
            if response.status_code in {404, 410}:
                raise InputMissing(f"The input '{file.key}' is no longer in storage.", hint="Upload it again.")
            if not response.is_success:
                raise InputUnavailable(f"Storage answered {response.status_code} for '{file.key}' ({place}).")
            with await asyncio.to_thread(path.open, "wb") as target:
                async for chunk in response.aiter_bytes(_CHUNK_BYTES):
                    await asyncio.to_thread(target.write, chunk)
                    digest.update(chunk)
                    size += len(chunk)
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise InputUnavailable(f"The download of '{file.key}' broke ({place}): {reason}.") from error
    _check(file, size, digest.hexdigest())


def _check(file: FileAsset, size: int, digest: str) -> None:
    if file.size is not None and size != file.size:
        raise InputUnavailable(f"The input '{file.key}' arrived with {size} bytes instead of {file.size}.")
    if file.content_hash is not None and digest != file.content_hash.lower():
        raise InputUnavailable(f"The input '{file.key}' arrived with another content than was uploaded (SHA-256).")
