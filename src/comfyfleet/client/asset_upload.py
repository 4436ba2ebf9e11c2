"""Brings a file into the library: hashed and sent in one pass over the disk, resumable, nothing sent twice."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from comfyfleet.client.asset_parts import PartSender, Sending, part_length
from comfyfleet.client.asset_reading import HashedFile
from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.client.library import LibraryPlane
from comfyfleet.client.patience import patiently
from comfyfleet.client.transfers import FileChanged
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.errors import Conflict
from comfyfleet.protocol.library import AssetUploadView, AssetView, NewAssetUpload, UploadState

_FIRST_POLL_SECONDS: Final = 0.02  # a small file is verified at once
_POLL_SECONDS: Final = 0.5


class Stage(StrEnum):
    """What is done with a file at present."""

    HASHING = "hashing"
    SENDING = "sending"
    VERIFYING = "verifying"


OnProgress = Callable[[Stage, int, int], None]
"""Called with the stage, and how many of how many bytes; by several threads, but never at the same time."""


class UploadRefused(Conflict):
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


def add_file(
    plane: LibraryPlane, path: Path, words: FileWords, on_progress: OnProgress, how: Sending | None = None
) -> Added:
    """Make a file an asset of the library.

    If the library may have its bytes, it is hashed first. Else each part is hashed and sent while the next is read.
    After an interruption, the same call goes on: what arrived before is hashed and not sent again.

    Raises:
        FileChanged: It changed while it was read; nothing of it is kept.
        FileEmpty: It has no bytes.
        UploadRefused: The control plane read other bytes than we did.
        Refused, Unreachable, TransferFailed: As they say. What was sent is kept.
    """
    with HashedFile(path) as file:
        new = _announcement(file, path.name, words)
        upload = plane.begin_upload(new)
        if upload.may_be_known:
            sha256 = file.sha256(lambda done: on_progress(Stage.HASHING, done, file.size))
            upload = plane.begin_upload(new.model_copy(update={"sha256": sha256}))
        sent_bytes = 0
        if upload.state is UploadState.RECEIVING:
            upload, sent_bytes = _upload(plane, file, upload, on_progress, how)
    return Added(await_stored(plane, upload, on_progress), sent_bytes, upload.was_known)


def await_stored(plane: LibraryPlane, upload: AssetUploadView, on_progress: OnProgress) -> AssetView:
    """Wait until an upload, or an import, is an asset; raise `UploadRefused` when it becomes none."""
    pause = _FIRST_POLL_SECONDS
    while upload.state in {UploadState.RECEIVING, UploadState.VERIFYING}:
        if upload.state is UploadState.VERIFYING:
            on_progress(Stage.VERIFYING, upload.verified_bytes, upload.size)
        else:  # an import, which the control plane sends to itself
            on_progress(Stage.SENDING, upload.received_bytes, upload.size)
        time.sleep(pause)
        pause = min(2 * pause, _POLL_SECONDS)
        upload = patiently(partial(plane.asset_upload, upload.upload_id))
    if upload.asset is None:
        raise UploadRefused(f"'{upload.filename}' did not become an asset: {upload.problem}", hint="Add it again.")
    on_progress(Stage.VERIFYING, upload.size, upload.size)
    return upload.asset


def _announcement(file: HashedFile, name: str, words: FileWords) -> NewAssetUpload:
    return NewAssetUpload(
        # A name of bytes that are no UTF-8 cannot be sent as it is.
        filename=name.encode(errors="replace").decode(),
        size=file.size,
        head_sha256=file.head_sha256(),
        kind=words.kind,
        notes=words.notes,
        license=words.license,
        source_url=words.source_url,
    )


def _upload(
    plane: LibraryPlane, file: HashedFile, upload: AssetUploadView, on_progress: OnProgress, how: Sending | None
) -> tuple[AssetUploadView, int]:
    """Return the upload once it is complete, and how many bytes were sent."""
    try:
        sent_bytes = _hash_and_send(plane, file, upload, on_progress, how)
        file.check_unchanged()
    except FileChanged:
        # Parts of two states of a file never make one: nobody shall go on from here.
        with contextlib.suppress(Refused, Unreachable):
            plane.abort_upload(upload.upload_id)
        raise
    return patiently(partial(plane.complete_upload, upload.upload_id, file.hexdigest())), sent_bytes


def _hash_and_send(
    plane: LibraryPlane, file: HashedFile, upload: AssetUploadView, on_progress: OnProgress, how: Sending | None
) -> int:
    """Hash the whole file and send what has not arrived; return how many bytes were sent."""
    received = frozenset(upload.received)
    stage = Stage.HASHING

    def tell(done: int) -> None:
        on_progress(stage, done, upload.size)

    sign = partial(plane.sign_parts, upload.upload_id)
    with PartSender(upload, sign, plane.put_part, tell, how) as sender:
        for number in range(1, upload.part_count + 1):
            buffer = sender.take_buffer()
            file.read_into(memoryview(buffer)[: part_length(upload, number)])
            if number in received:
                sender.skip(number, buffer)
            else:
                stage = Stage.SENDING
                sender.send(number, buffer)
    return sender.sent_bytes
