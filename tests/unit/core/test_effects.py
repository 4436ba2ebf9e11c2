"""Workflow default, then effect override, then the user's value where it is configurable."""

import pytest

from comfyfleet.core.effects import ValuesInvalid, check_overrides, configurable_properties, resolve_values
from comfyfleet.core.properties import MAX_SEED, MAX_TEXT_LENGTH, Property, PropertyType, ValueInvalid, check_value

FREE = Property("free", PropertyType.TEXT, default="default", placeholder="{{A}}")
FIXED = Property("fixed", PropertyType.NUMBER, default=1, user_configurable=False, placeholder="{{B}}")
PROPERTIES = (FREE, FIXED)


def test_defaults_come_first() -> None:
    assert resolve_values(PROPERTIES, {}, {}) == {"free": "default", "fixed": 1}


def test_overrides_go_before_defaults() -> None:
    assert resolve_values(PROPERTIES, {"free": "effect", "fixed": 2}, {}) == {"free": "effect", "fixed": 2}


def test_the_users_value_goes_before_all() -> None:
    assert resolve_values(PROPERTIES, {"free": "effect"}, {"free": "user"})["free"] == "user"


def test_an_empty_text_of_the_user_is_a_value() -> None:
    assert resolve_values(PROPERTIES, {}, {"free": ""})["free"] == ""


def test_a_fixed_property_is_not_the_users_to_set() -> None:
    with pytest.raises(ValuesInvalid, match="no property 'fixed'"):
        resolve_values(PROPERTIES, {}, {"fixed": 3})


def test_a_required_value_that_is_missing_is_refused() -> None:
    needed = Property("needed", PropertyType.TEXT, required=True, placeholder="{{C}}")
    with pytest.raises(ValuesInvalid, match="'needed' is required"):
        resolve_values((needed,), {}, {})


def test_only_configurable_properties_are_public_with_their_effective_default() -> None:
    assert configurable_properties(PROPERTIES, {"free": "effect", "fixed": 9}) == [(FREE, "effect")]


@pytest.mark.parametrize(("overrides", "says"), [({"x": 1}, "no property 'x'"), ({"fixed": "one"}, "must be a number")])
def test_a_wrong_override_is_refused(overrides: dict[str, object], says: str) -> None:
    with pytest.raises((ValuesInvalid, ValueInvalid), match=says):
        check_overrides(PROPERTIES, overrides)


@pytest.mark.parametrize(
    ("prop", "value"),
    [
        (Property("n", PropertyType.NUMBER, minimum=0, maximum=5), 6),
        (Property("n", PropertyType.NUMBER, minimum=0, maximum=5), -1),
        (Property("n", PropertyType.NUMBER), True),
        (Property("n", PropertyType.NUMBER), float("nan")),
        (Property("n", PropertyType.NUMBER), "3"),
        (Property("b", PropertyType.BOOLEAN), 1),
        (Property("c", PropertyType.CHOICE, choices=("a", "b")), "c"),
        (Property("s", PropertyType.SEED), MAX_SEED + 1),
        (Property("s", PropertyType.SEED), 1.5),
        (Property("t", PropertyType.TEXT, maximum=3), "four"),
        (Property("t", PropertyType.TEXT), "nul\x00"),
        (Property("t", PropertyType.TEXT), "\ud800"),
        (Property("t", PropertyType.TEXT), 5),
        (Property("v", PropertyType.VIDEO), 5),
        (Property("v", PropertyType.VIDEO), "x" * (MAX_TEXT_LENGTH + 1)),
    ],
)
def test_a_value_that_does_not_fit_is_refused(prop: Property, value: object) -> None:
    with pytest.raises(ValueInvalid, match=f"'{prop.key}'"):
        check_value(prop, value)


def test_the_longest_duration_of_a_file_is_no_length_of_its_id() -> None:
    upload_id = "0123456789abcdef" * 2
    assert check_value(Property("v", PropertyType.VIDEO, maximum=2), upload_id) == upload_id
