"""Brings a file into the library: hashed and sent in one pass over the disk, resumable, nothing sent twice."""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from comfyfleet.client.asset_parts import PartSender
from comfyfleet.client.library import LibraryPlane
from comfyfleet.client.transfers import FileChanged
from comfyfleet.core.assets import HEAD_BYTES, AssetKind
from comfyfleet.core.errors import Invalid
from comfyfleet.protocol.library import AssetUploadView, AssetView, NewAssetUpload, UploadState

_BLOCK_BYTES: Final = 4 * 2**20
_POLL_SECONDS: Final = 0.3


class Stage(StrEnum):
    """What is done with a file at present."""

    HASHING = "hashing"
    SENDING = "sending"
    VERIFYING = "verifying"


OnProgress = Callable[[Stage, int, int], None]
"""Called with the stage, and how many of how many bytes."""


class UploadRefused(Invalid):
    """The control plane found the bytes wrong."""

    code = "upload_refused"


@dataclass(frozen=True)
class FileWords:
    """What is said of a file that becomes an asset."""

    kind: AssetKind | None = None
    notes: str = ""
    license: str = ""
    source_url: str | None = None


@dataclass(frozen=True)
class Added:
    """An asset that a file is now, and how many bytes were sent for it: none if the library had them."""

    asset: AssetView
    sent_bytes: int
    was_known: bool


def add_file(plane: LibraryPlane, path: Path, words: FileWords, on_progress: OnProgress) -> Added:
    """Make a file an asset of the library.

    Raises:
        FileChanged: It changed while it was read.
        UploadRefused: The control plane read other bytes than we did.
        Refused, Unreachable, TransferFailed: As they say. What was sent stays: the same call goes on from there.
    """
    with path.open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        new = NewAssetUpload(
            filename=path.name,
            size=before.st_size,
            head_sha256=hashlib.sha256(file.read(HEAD_BYTES)).hexdigest(),
            kind=words.kind,
            notes=words.notes,
            license=words.license,
            source_url=words.source_url,
        )
        upload = plane.begin_upload(new)
        if upload.may_be_known:
            sha256 = _hash(file, new.size, on_progress)
            upload = plane.begin_upload(new.model_copy(update={"sha256": sha256}))
        sent = 0
        if upload.state is UploadState.RECEIVING:
            sha256, sent = _hash_and_send(plane, file, upload, on_progress)
            _check_unchanged(path, file, before)
            upload = plane.complete_upload(upload.upload_id, sha256)
    asset = await_stored(plane, upload, on_progress)
    return Added(asset, sent, upload.was_known)


def await_stored(plane: LibraryPlane, upload: AssetUploadView, on_progress: OnProgress) -> AssetView:
    """Wait until an upload is an asset; raise `UploadRefused` when it becomes none."""
    while upload.state in {UploadState.RECEIVING, UploadState.VERIFYING}:
        if upload.state is UploadState.VERIFYING:
            on_progress(Stage.VERIFYING, upload.verified_bytes, upload.size)
        else:  # an import, which the control plane sends to itself
            on_progress(Stage.SENDING, upload.received_bytes, upload.size)
        time.sleep(_POLL_SECONDS)
        upload = plane.asset_upload(upload.upload_id)
    if upload.asset is None:
        raise UploadRefused(f"'{upload.filename}' did not become an asset: {upload.problem}", hint="Add it again.")
    on_progress(Stage.VERIFYING, upload.size, upload.size)
    return upload.asset


def _hash(file: BinaryIO, size: int, on_progress: OnProgress) -> str:
    digest, done = hashlib.sha256(), 0
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    file.seek(0)
    while count := file.readinto(buffer):  # type: ignore[attr-defined]  # an unbuffered file has it
        digest.update(buffer[:count])
        done += count
        on_progress(Stage.HASHING, done, size)
    return digest.hexdigest()


def _hash_and_send(
    plane: LibraryPlane, file: BinaryIO, upload: AssetUploadView, on_progress: OnProgress
) -> tuple[str, int]:
    """Return the digest of the whole file and how many bytes were sent; parts that arrived before are hashed only."""
    digest, received = hashlib.sha256(), set(upload.received)
    file.seek(0)
    with PartSender(plane, upload, lambda done: on_progress(Stage.SENDING, done, upload.size)) as sender:
        for number in range(1, upload.part_count + 1):
            part = sender.take_buffer()
            view = memoryview(part)[: _size_of(upload, number)]
            _fill(file, view)
            digest.update(view)
            if number in received:
                sender.skip(number, part)
            else:
                sender.send(number, part)
    return digest.hexdigest(), sender.sent_bytes


def _fill(file: BinaryIO, view: memoryview) -> None:
    done = 0
    while done < len(view):
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise FileChanged(
                "The file became shorter while it was uploaded.", hint="Wait until it is whole; try again."
            )
        done += count


def _size_of(upload: AssetUploadView, number: int) -> int:
    return min(upload.part_size, upload.size - (number - 1) * upload.part_size)


def _check_unchanged(path: Path, file: BinaryIO, before: os.stat_result) -> None:
    after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise FileChanged(f"{path} changed while it was uploaded.", hint="Wait until it is whole, then try again.")
