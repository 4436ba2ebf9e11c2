"""Events for the clients' WebSockets: from any thread in, to one client or to all out."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]
Send: TypeAlias = Callable[[str, dict[str, Any], str | None], None]
"""Called with the event's type, its data, and the client that it is for; None is everybody."""


class Events:
    """One mailbox a connected client. A message for a client that is not connected is lost, as in ComfyUI."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mailboxes: dict[str, asyncio.Queue[Message]] = {}
        self._present: tuple[str | None, str | None] = None, None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that the WebSockets live on; what was sent before is lost."""
        self._loop = loop

    def detach(self) -> None:
        """Deliver nothing from now on; the loop is about to close."""
        self._loop = None

    @contextmanager
    def mailbox(self, client_id: str) -> Iterator[asyncio.Queue[Message]]:
        """Give a client its mailbox; a second connection with the same id takes over."""
        mailbox: asyncio.Queue[Message] = asyncio.Queue()
        self._mailboxes[client_id] = mailbox
        try:
            yield mailbox
        finally:
            if self._mailboxes.get(client_id) is mailbox:
                del self._mailboxes[client_id]

    def send(self, type_: str, data: dict[str, Any], client_id: str | None = None) -> None:
        """Send an event to one client, or to all; may be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._deliver, {"type": type_, "data": data}, client_id)

    def present_node(self, client_id: str) -> str | None:
        """Return the node that runs for a client; a client that comes back is told. None if nothing of its own runs."""
        owner, node = self._present
        return node if owner == client_id else None

    def _deliver(self, message: Message, client_id: str | None) -> None:
        if message["type"] == "executing":
            self._present = client_id, message["data"]["node"]
        if client_id is None:
            for mailbox in self._mailboxes.values():
                mailbox.put_nowait(message)
        elif client_id in self._mailboxes:
            self._mailboxes[client_id].put_nowait(message)
