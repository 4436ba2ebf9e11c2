"""Effects: products on a workflow. Which values a job gets, and what the public sees."""

from collections.abc import Mapping

from comfyfleet.core.errors import Invalid
from comfyfleet.core.properties import Property, Scalar, check_value


class ValuesInvalid(Invalid):
    """The values of a submission or an override do not fit the workflow's properties."""

    code = "values_invalid"


def check_overrides(properties: tuple[Property, ...], overrides: Mapping[str, object]) -> dict[str, Scalar]:
    """Return an effect's overrides, checked; raise `ValuesInvalid` or `ValueInvalid` with what to do."""
    by_key = {prop.key: prop for prop in properties}
    unknown = sorted(set(overrides) - set(by_key))
    if unknown:
        raise ValuesInvalid(
            f"The workflow has no property '{unknown[0]}'.", hint=f"Its properties are: {', '.join(by_key)}."
        )
    files = [key for key in overrides if by_key[key].type.is_file]
    if files:
        raise ValuesInvalid(f"'{files[0]}' is a file.", hint="Files come from users and cannot be overridden.")
    return {key: check_value(by_key[key], value) for key, value in overrides.items()}


def configurable_properties(
    properties: tuple[Property, ...], overrides: Mapping[str, Scalar]
) -> list[tuple[Property, Scalar | None]]:
    """Return what a user may set, each with the value that it has if the user does not."""
    return [(prop, overrides.get(prop.key, prop.default)) for prop in properties if prop.user_configurable]


def resolve_values(
    properties: tuple[Property, ...], overrides: Mapping[str, Scalar], user_values: Mapping[str, object]
) -> dict[str, Scalar]:
    """Return each property's value: the user's where it is configurable, else the override, else the default.

    Raises:
        ValuesInvalid: A key is unknown or not the user's to set, or a required value is missing.
        ValueInvalid: A value does not fit its property.
    """
    allowed = {prop.key: prop for prop in properties if prop.user_configurable}
    refused = sorted(set(user_values) - set(allowed))
    if refused:
        raise ValuesInvalid(
            f"This effect has no property '{refused[0][:80]}' that you may set.",
            hint=f"You may set: {', '.join(allowed) or 'none'}.",
        )
    resolved: dict[str, Scalar] = {}
    for prop in properties:
        value = _value_of(prop, overrides, user_values)
        if value is not None:
            resolved[prop.key] = value
        elif prop.required or prop.is_primary_input:
            raise ValuesInvalid(f"'{prop.label or prop.key}' is required.", hint=f"Give a value for '{prop.key}'.")
    return resolved


def _value_of(prop: Property, overrides: Mapping[str, Scalar], user_values: Mapping[str, object]) -> Scalar | None:
    given = user_values.get(prop.key)
    if given is not None:
        return check_value(prop, given)
    return overrides.get(prop.key, prop.default)
