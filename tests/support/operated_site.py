"""A control plane in a thread of its own, whose pages carry out verbs in a cloud in memory: for a real browser."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.support.clouds.commands import say
from tests.support.clouds.fleet import FLEET, STAGE, MemoryCloud
from tests.support.control_plane import ControlPlane, running_control_plane
from tests.support.operator import OperatorAccess
from tests.support.workflow_library import import_soft

from comfyfleet.cloud.fleet_ports import Alarm


@dataclass
class OperatedSite:
    """The site, and the cloud that its verbs change."""

    url: str
    first_password: str
    memory: MemoryCloud


@contextlib.contextmanager
def operated_site(database_url: str, folder: Path) -> Iterator[OperatedSite]:
    """Run a site with one fleet, which serves one workflow."""
    memory = MemoryCloud(folder / "cloud")
    memory.clock.at = datetime.now(UTC)
    memory.commands.programs = {"curl": say(), "sleep": say(), "journalctl": say("no GPU")}
    started: Future[ControlPlane] = Future()
    over = threading.Event()
    arguments = (database_url, folder, memory, started, over)
    thread = threading.Thread(target=lambda: asyncio.run(_run(*arguments)), name="operated site")
    thread.start()
    try:
        running = started.result(60)
        yield OperatedSite(running.url, running.first_password, memory)
    finally:
        over.set()
        thread.join(60)
        memory.commands.end_all()


class QuietAlarms:
    """What a fleet's page asks of figures: two alarms that are quiet."""

    def alarms(self, names: Sequence[str]) -> list[Alarm]:
        return [Alarm(name, "OK", "nothing waits", datetime.now(UTC)) for name in names]


def _put_into(memory: MemoryCloud, running: ControlPlane) -> None:
    """Let the fleet's page show what the cloud has, too."""
    running.wiring.groups = memory.groups
    running.wiring.parameters = memory.parameters
    running.wiring.figures = QuietAlarms()  # type: ignore[assignment]  # one method of the port is asked for


async def _run(
    database_url: str, folder: Path, memory: MemoryCloud, started: "Future[ControlPlane]", over: threading.Event
) -> None:
    try:
        async with running_control_plane(database_url, folder, lambda _: memory.cloud, stage=STAGE) as running:
            _put_into(memory, running)
            operator = OperatorAccess(running)
            await import_soft(operator)
            await operator.data("PUT", f"/fleets/{STAGE}/{FLEET}/workflows", {"workflows": ["soft"]})
            started.set_result(running)
            await asyncio.to_thread(over.wait)
    except BaseException as error:
        if not started.done():
            started.set_exception(error)
        raise
