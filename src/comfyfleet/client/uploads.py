"""Users' files on their way to the control plane: small ones at once, large ones in parts that are tried again."""

import contextlib
from functools import partial
from pathlib import Path
from typing import Final

from comfyfleet.client.api import ControlPlane
from comfyfleet.client.asset_parts import PartSender, Sending, part_length
from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.client.patience import patiently
from comfyfleet.client.transfers import OnBytes, changed
from comfyfleet.protocol.api import NewUpload
from comfyfleet.protocol.uploads import PartedUploadView

_IN_PARTS_FROM: Final = 64 * 2**20


def upload(
    plane: ControlPlane,
    path: Path,
    content_type: str,
    on_bytes: OnBytes,
    *,
    in_parts_from: int = _IN_PARTS_FROM,
    how: Sending | None = None,
) -> str:
    """Upload a file and return the upload's id, which a job's values refer to.

    Raises:
        FileChanged: It became shorter or longer meanwhile; nothing of it is kept.
        Refused, Unreachable, TransferFailed: As they say.
    """
    size = path.stat().st_size
    if size < in_parts_from:
        return plane.upload(path, content_type, on_bytes)
    begun = plane.begin_in_parts(NewUpload(filename=path.name, content_type=content_type, size=size))
    try:
        _send(plane, path, begun, on_bytes, how)
    except BaseException:  # Ctrl-C, too: nobody goes on with it
        with contextlib.suppress(Refused, Unreachable):
            plane.drop_upload(begun.upload_id)
        raise
    return patiently(partial(plane.complete_in_parts, begun.upload_id)).upload_id


def _send(plane: ControlPlane, path: Path, upload: PartedUploadView, on_bytes: OnBytes, how: Sending | None) -> None:
    sign = partial(plane.sign_upload_parts, upload.upload_id)

    def tell(done: int) -> None:
        on_bytes(done, upload.size)

    with path.open("rb") as file, PartSender(upload, sign, plane.put_part, tell, how) as sender:
        for number in range(1, upload.part_count + 1):
            buffer = sender.take_buffer()
            length = part_length(upload, number)
            if file.readinto(memoryview(buffer)[:length]) < length:
                raise changed(path, "shorter")
            sender.send(number, buffer)
        if file.read(1):
            raise changed(path, "longer")
