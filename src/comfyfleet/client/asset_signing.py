"""Where the parts of an upload go: signed URLs, asked for some parts ahead, and anew when one has expired."""

import threading
from typing import Final

from comfyfleet.client.library import LibraryPlane
from comfyfleet.client.transfers import TransferFailed
from comfyfleet.protocol.library import MAX_SIGNED_PARTS, AssetUploadView, SignedPart

_AHEAD: Final = 32


class PartSigner:
    """Gives each part its signed URL. Safe to call from several threads."""

    def __init__(self, plane: LibraryPlane, upload: AssetUploadView) -> None:
        self._plane = plane
        self._upload = upload
        self._received = frozenset(upload.received)
        self._signed: dict[int, SignedPart] = {}
        self._lock = threading.Lock()

    def url_of(self, number: int) -> SignedPart:
        """Return where a part goes; a second call for the same part asks for a new signature.

        Raises:
            Refused, Unreachable: The control plane refuses, or does not answer.
            TransferFailed: It signs other parts than those that were asked for.
        """
        with self._lock:
            if number not in self._signed:
                self._sign_from(number)
            part = self._signed.pop(number, None)
        if part is None:
            raise TransferFailed(f"The server did not sign part {number}.", hint="Run the same command again.")
        return part

    def _sign_from(self, number: int) -> None:
        ahead = range(number, min(number + _AHEAD, self._upload.part_count + 1))
        wanted = [one for one in ahead if one == number or one not in self._received][:MAX_SIGNED_PARTS]
        for part in self._plane.sign_parts(self._upload.upload_id, wanted):
            self._signed[part.number] = part
