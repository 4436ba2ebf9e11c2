"""Who waits for what: one Postgres LISTEN connection a process wakes long polls and event streams."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import asyncpg

log = logging.getLogger(__name__)

CHANNEL: Final = "comfyfleet"
EVERYTHING: Final = "*"
"""The topic of whoever wants to know that anything changed."""

_RECONNECT_SECONDS: Final = 1.0
_CHECK_SECONDS: Final = 15.0


def fleet_topic(fleet_id: int) -> str:
    """Topic that is published when a fleet's queue gained a job."""
    return f"fleet:{fleet_id}"


def job_topic(job_id: int) -> str:
    """Topic that is published when a job changed."""
    return f"job:{job_id}"


def worker_topic(worker_id: int) -> str:
    """Topic that is published when a worker came, left, or told something new."""
    return f"worker:{worker_id}"


def operation_topic(operation_id: int) -> str:
    """Topic that is published when an operation said something, or ended."""
    return f"operation:{operation_id}"


class Notifier:
    """Listens on one connection and sets the events of whoever subscribed to a topic.

    After a lost connection everyone is woken, since something may have been missed.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._subscribers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection | None = None
        self.is_stopped = False

    def start(self) -> None:
        """Begin to listen, in the background."""
        self._task = asyncio.create_task(self._listen_forever(), name="notifier")

    async def stop(self) -> None:
        """Stop listening and wake everyone; long polls and streams end by `is_stopped`."""
        self.is_stopped = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._wake_all()

    @contextlib.contextmanager
    def subscription(self, topic: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set at each publication; clear it before looking at the database."""
        event = asyncio.Event()
        self._subscribers[topic].add(event)
        try:
            yield event
        finally:
            self._subscribers[topic].discard(event)
            if not self._subscribers[topic]:
                del self._subscribers[topic]

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("lost the notification connection, connecting again: %s", error)
            self._wake_all()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(self._url, timeout=10)
        self._connection = connection  # a strong reference: asyncpg drops listeners of collected connections
        try:
            await connection.add_listener(CHANNEL, self._on_notification)
            self._wake_all()
            while not connection.is_closed():
                await asyncio.sleep(_CHECK_SECONDS)
                await connection.execute("SELECT 1", timeout=10)
        finally:
            connection.terminate()

    def _on_notification(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        for topic in (str(payload), EVERYTHING):
            for event in self._subscribers.get(topic, ()):
                event.set()

    def _wake_all(self) -> None:
        for events in self._subscribers.values():
            for event in events:
                event.set()


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait at most `seconds` for the event; tell whether it was set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
