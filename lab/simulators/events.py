"""Events of EventBridge: what groups tell, and who listens.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rules.html
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from lab.rules.events import check_pattern, matches

Listener = Callable[[dict[str, Any]], None]


class Events:
    """Hands events to those whose pattern they match, after the step of the clock in which they were told."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region
        self._listeners: list[tuple[Mapping[str, Any], Listener]] = []
        self._told: list[dict[str, Any]] = []

    def listen(self, pattern: Mapping[str, Any], listener: Listener) -> None:
        """Call a function with each event that matches."""
        check_pattern(pattern)
        self._listeners.append((pattern, listener))

    def tell(self, source: str, kind: str, resources: list[str], detail: dict[str, Any], at: datetime) -> None:
        """Keep an event until the step is over: who listens may change what has just told it."""
        self._told.append(
            {
                "version": "0",
                "id": str(uuid4()),
                "detail-type": kind,
                "source": source,
                "account": self._account,
                "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": self._region,
                "resources": resources,
                "detail": detail,
            }
        )

    def step(self, now: datetime) -> None:
        """Hand out what was told."""
        del now
        told, self._told = self._told, []
        for event in told:
            for pattern, listener in self._listeners:
                if matches(pattern, event):
                    listener(event)
