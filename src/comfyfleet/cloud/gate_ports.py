"""A way in to a machine from a known address, as a small Protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Gate:
    """A security group of ours that lets one range of addresses in to one port."""

    gate_id: str
    name: str
    tags: Mapping[str, str]


class Gates(Protocol):
    """Ways in to machines, each made for one machine; what goes out is not held back."""

    def open(self, name: str, *, port: int, cidr: str, subnet_id: str | None, tags: Mapping[str, str]) -> str:
        """Make a gate in the subnet's network, by default the account's own; return its id."""
        ...

    def tagged(self, tags: Mapping[str, str]) -> list[Gate]:
        """Return the gates that have all these tags."""
        ...

    def close(self, gate_id: str) -> None:
        """Remove a gate; one that is gone is no error.

        Raises:
            GateInUse: A machine still has it.
        """
        ...
