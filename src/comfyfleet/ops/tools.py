"""What the verbs work with."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import (
    Account,
    Commands,
    Figures,
    Groups,
    Images,
    Machines,
    ParameterStore,
    Rolls,
)
from comfyfleet.cloud.gate_ports import Gates
from comfyfleet.cloud.ports import ObjectStore


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Cloud:
    """A cloud's ports, its buckets by name, and time: `sleep` takes seconds, so that a simulator can run faster."""

    account: Account
    parameters: ParameterStore
    machines: Machines
    images: Images
    commands: Commands
    groups: Groups
    rolls: Rolls
    figures: Figures
    gates: Gates
    bucket: Callable[[str], ObjectStore]
    prefix: str = names.DEFAULT_PREFIX
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep


class Reporter(Protocol):
    """Hears what a verb does while it does it: on a terminal, or on the fleet's page."""

    def step(self, words: str) -> None:
        """Hear that something begins, in words for people."""
        ...

    def output(self, text: str) -> None:
        """Hear what a machine printed; any number of lines."""
        ...


@dataclass(frozen=True)
class Plan:
    """What a verb will do, in words for people; `warnings` are reasons to think again. Verbs extend it."""

    title: str
    steps: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def document(told: Any) -> Any:
    """Return a plan or a receipt as JSON has it, without what is not for eyes, such as a machine's user data."""
    if is_dataclass(told) and not isinstance(told, type):
        return {field.name: document(getattr(told, field.name)) for field in fields(told) if field.repr}
    if isinstance(told, (list, tuple)):
        return [document(one) for one in told]
    return told.isoformat() if isinstance(told, datetime) else told
