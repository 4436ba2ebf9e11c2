"""Which events a rule of EventBridge hears.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
"""

from collections.abc import Mapping
from typing import Any

from lab.errors import NotSimulated


def check_pattern(pattern: Mapping[str, Any]) -> None:
    """Refuse what is more than names and values, such as prefixes and ranges."""
    for name, wanted in pattern.items():
        if isinstance(wanted, Mapping):
            check_pattern(wanted)
        elif name.startswith("$") or not isinstance(wanted, list) or any(isinstance(one, Mapping) for one in wanted):
            raise NotSimulated(f"event patterns with more than values: {name}")


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Tell whether an event has, for each name of a pattern, one of its values."""
    for name, wanted in pattern.items():
        found = event.get(name)
        if isinstance(wanted, Mapping):
            if not isinstance(found, Mapping) or not matches(wanted, found):
                return False
        elif not any(one in wanted for one in (found if isinstance(found, list) else [found])):
            return False
    return True
