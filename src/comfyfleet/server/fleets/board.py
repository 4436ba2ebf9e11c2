"""What a cloud last said of each fleet. A page never waits for a cloud: it shows what is known."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from comfyfleet.server.fleets.service import label
from comfyfleet.server.models import Fleet

Found = TypeVar("Found")

_FRESH: Final = timedelta(seconds=10)


@dataclass
class Board(Generic[Found]):
    """Keeps the answers of `ask`, and asks anew for whoever looks at one that is older than some seconds."""

    ask: Callable[[Fleet], Awaitable[Found]]
    clock: Callable[[], datetime]
    _known: dict[str, tuple[datetime, Found]] = field(default_factory=dict)
    _asking: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def show(self, fleet: Fleet) -> Found | None:
        """Return what is known, or None while nothing is."""
        name = label(fleet)
        at, found = self._known.get(name, (None, None))
        if (at is None or self.clock() - at > _FRESH) and name not in self._asking:
            task = self._asking[name] = asyncio.create_task(self._ask(name, fleet), name=f"the cloud on {name}")
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return found

    def forget(self, fleet: Fleet) -> None:
        """Ask anew at the next look, since something was changed."""
        self._known.pop(label(fleet), None)

    async def stop(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, name: str, fleet: Fleet) -> None:
        at = self.clock()
        self._known[name] = (at, await self.ask(fleet))
