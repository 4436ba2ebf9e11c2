"""A machine's place in its Auto Scaling group. No job ever waits for a call of it, or fails by one."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Groups
from comfyfleet.core.errors import FleetError

log = logging.getLogger(__name__)

_EXTEND_SECONDS: Final = 60.0


class Membership:
    """Protects the machine while it is busy, and answers the hook that lets it finish. Calls run in a thread."""

    def __init__(self, groups: Groups, group: str, instance_id: str) -> None:
        self._groups, self._group, self._instance_id = groups, group, instance_id
        self._is_protected: bool | None = None
        self._extended_at = 0.0

    async def protect(self, *, is_busy: bool) -> None:
        """Keep a busy machine from being chosen when the group shrinks; one call a change, tried again if it fails.

        The first is made for an idle machine, too: a worker that died in the middle of a job left it protected.
        """
        if self._is_protected is is_busy:
            return
        try:
            await asyncio.to_thread(self._groups.protect, self._group, self._instance_id, is_protected=is_busy)
        except FleetError as error:
            log.warning("the protection from scale-in could not be changed: %s", error)
        else:
            self._is_protected = is_busy

    async def extend(self) -> None:
        """Ask for more time while jobs run on a machine that is to go; at most once a minute."""
        now = asyncio.get_running_loop().time()
        if self._extended_at and now - self._extended_at < _EXTEND_SECONDS:
            return
        self._extended_at = now
        await self._answer(self._groups.extend_hook, "more time could not be asked for")

    async def finish(self) -> None:
        """Say that the machine may go."""
        await self._answer(self._groups.finish_hook, "the group was not told that this machine may go")

    async def _answer(self, call: Callable[[str, str, str], None], trouble: str) -> None:
        try:
            await asyncio.to_thread(call, self._group, names.TERMINATION_HOOK, self._instance_id)
        except FleetError as error:
            log.warning("%s: %s", trouble, error)
