"""Properties: the typed inputs of a workflow, and what a value must be to fill one."""

import json
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Final, TypeAlias

from comfyfleet.core.errors import Invalid

Scalar: TypeAlias = str | int | float | bool

MAX_TEXT_LENGTH = 100_000
MAX_SEED = 2**64 - 1


class PropertyType(StrEnum):
    """The type of a property. File types take the id of an upload."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    SEED = "seed"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"

    @property
    def is_file(self) -> bool:
        """Whether a value of this type is a file, which the worker hands to ComfyUI."""
        return self in {PropertyType.IMAGE, PropertyType.VIDEO, PropertyType.AUDIO}


@dataclass(frozen=True)
class Property:
    """One typed input. Bound to the graph by `placeholder`, by `node_id` and `input_name`, or by both.

    `minimum` and `maximum` bound a number; the `maximum` of a text is its length, that of a video or an audio file the
    longest duration in seconds.
    """

    key: str
    type: PropertyType
    label: str = ""
    help: str = ""
    default: Scalar | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    required: bool = False
    user_configurable: bool = True
    is_primary_input: bool = False
    placeholder: str | None = None
    node_id: str | None = None
    input_name: str | None = None


class ValueInvalid(Invalid):
    """A value does not fit its property."""

    code = "value_invalid"


_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})


def parse_value(prop: Property, text: str) -> Scalar:
    """Return what was typed for a property as its type; raise `ValueInvalid`."""
    value: object = text
    match prop.type:
        case PropertyType.NUMBER | PropertyType.SEED:
            try:
                value = json.loads(text)
            except ValueError:
                value = text
        case PropertyType.BOOLEAN:
            word = text.strip().lower()
            value = True if word in _TRUE else False if word in _FALSE else text
    return check_value(prop, value)


def check_value(prop: Property, value: object) -> Scalar:
    """Return `value` as what goes into the graph.

    Raises:
        ValueInvalid: It has the wrong type, is out of bounds, or is not among the choices.
    """
    match prop.type:
        case PropertyType.NUMBER:
            return _number(prop, value)
        case PropertyType.SEED:
            return _seed(prop, value)
        case PropertyType.BOOLEAN:
            if not isinstance(value, bool):
                raise _refuse(prop, "must be true or false")
            return value
        case PropertyType.CHOICE:
            if value not in prop.choices:
                raise _refuse(prop, f"must be one of {', '.join(prop.choices)}")
            return str(value)
        case _:
            return _text(prop, value)


def _number(prop: Property, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _refuse(prop, "must be a number")
    if prop.minimum is not None and value < prop.minimum:
        raise _refuse(prop, f"must be at least {prop.minimum:g}")
    if prop.maximum is not None and value > prop.maximum:
        raise _refuse(prop, f"must be at most {prop.maximum:g}")
    return value


def _seed(prop: Property, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise _refuse(prop, f"must be a whole number from 0 to {MAX_SEED}")
    return value


def _text(prop: Property, value: object) -> str:
    if not isinstance(value, str):
        raise _refuse(prop, "must be the id of an upload" if prop.type.is_file else "must be text")
    # The maximum of a file is its duration, not the length of its id.
    limit = MAX_TEXT_LENGTH if prop.maximum is None or prop.type.is_file else int(prop.maximum)
    if len(value) > limit:
        raise _refuse(prop, f"must have at most {limit} characters, and has {len(value)}")
    if "\x00" in value:
        raise _refuse(prop, "must not contain the character NUL")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _refuse(prop, "must be valid Unicode, and holds half of a surrogate pair")
    return value


def _refuse(prop: Property, rule: str) -> ValueInvalid:
    return ValueInvalid(f"'{prop.label or prop.key}' {rule}.", hint=f"Correct the value of '{prop.key}'.")
