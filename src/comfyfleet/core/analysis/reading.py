"""Reading JSON that anyone may have written: types are checked, and work is bounded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.core.graphs import GraphInvalid, is_link

MAX_NODES: Final = 20_000
MAX_VALUES: Final = 500_000
MAX_CHARACTERS: Final = 64_000_000
MAX_DEPTH: Final = 32
"""How deep values, definitions and subgraphs may be nested; 3 is the most that the official templates do."""

_HINT: Final = "Save the workflow again from ComfyUI, and analyze that file."


def invalid(message: str) -> GraphInvalid:
    """Return the error for a document that is no workflow."""
    return GraphInvalid(message, hint=_HINT)


class Budget:
    """How much of a document may still be read; a small file can describe an endless one by nested subgraphs."""

    def __init__(self) -> None:
        self._nodes = MAX_NODES
        self._values = MAX_VALUES
        self._characters = MAX_CHARACTERS

    def spend(self, *, nodes: int = 0, values: int = 0, characters: int = 0) -> None:
        """Count what is read; raise `GraphInvalid` when it is too much."""
        self._nodes -= nodes
        self._values -= values
        self._characters -= characters
        if min(self._nodes, self._values, self._characters) < 0:
            raise invalid(
                f"The workflow is too large: more than {MAX_NODES:,} nodes, {MAX_VALUES:,} values or"
                f" {MAX_CHARACTERS:,} characters."
            )


def a_dict(value: object, what: str) -> dict[str, Any]:
    """Return an object of the document; None counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"{what} is no object.")
    return value


def a_list(value: object, what: str) -> list[Any]:
    """Return a list of the document; None counts as an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(f"{what} is no list.")
    return value


def a_text(value: object, what: str) -> str:
    """Return a text of the document that must be there."""
    if not isinstance(value, str) or not value or len(value) > 1000:
        raise invalid(f"{what} is no text of 1 to 1,000 characters.")
    return value


def text_or_none(value: object) -> str | None:
    """Return a text that may be missing; anything else than a text counts as missing."""
    return value if isinstance(value, str) and value else None


def an_id(value: object, what: str) -> str:
    """Return the id of a node, link or definition, which is a number or a text, as text."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if not is_number and not (isinstance(value, str) and len(value) <= 200):
        raise invalid(f"{what} has no id.")
    return str(value)


@dataclass(frozen=True)
class Text:
    """A text that stands in a node: the name of the input or key nearest to it (or ""), and whether it is on."""

    name: str
    value: str
    is_on: bool = True


def texts_in(name: str, value: object, budget: Budget) -> Iterator[Text]:
    """Yield the texts in an input's value, however nested; links are left out.

    Some loaders of custom nodes keep a row as `{"on": false, "lora": "a.safetensors"}`: then it is off.
    """
    waiting: list[tuple[str, object, bool, int]] = [(name, value, True, 0)]
    while waiting:
        near, part, is_on, depth = waiting.pop()
        budget.spend(values=1)
        if isinstance(part, str):
            budget.spend(characters=len(part))
            yield Text(near, part, is_on)
        if depth == MAX_DEPTH and isinstance(part, dict | list):
            raise invalid(f"The input '{name[:80]}' is nested more than {MAX_DEPTH} deep.")
        if isinstance(part, dict):
            on = is_on and part.get("on") is not False
            waiting.extend((str(key), inner, on, depth + 1) for key, inner in reversed(part.items()))
        elif isinstance(part, list) and not is_link(part):
            waiting.extend((near, inner, is_on, depth + 1) for inner in reversed(part))
