"""Where the parts of an upload go: signed URLs, asked for some parts ahead, and anew when one has expired."""

import threading
from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeAlias

import httpx

from comfyfleet.client.transfers import TransferFailed
from comfyfleet.protocol.library import MAX_SIGNED_PARTS, SignedPart

_AHEAD: Final = 32

SignParts: TypeAlias = Callable[[list[int]], list[SignedPart]]
"""Returns where the parts of these numbers are PUT to."""

PutPart: TypeAlias = Callable[[SignedPart, Iterable[bytes]], httpx.Response]
"""Sends one part; raises `httpx.TransportError`."""


class PartedUpload(Protocol):
    """An upload that comes in parts, counted from 1; those in `received` are there."""

    filename: str
    size: int
    part_size: int
    part_count: int
    received: list[int]


class PartSigner:
    """Gives each part its signed URL. Safe to call from several threads."""

    def __init__(self, sign: SignParts, upload: PartedUpload) -> None:
        self._sign = sign
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
        for part in self._sign(wanted):
            self._signed[part.number] = part
