"""From `--set key=value` and `--input FILE` to the typed values of a job."""

from dataclasses import dataclass, field
from pathlib import Path

from comfyfleet.cli.errors import UsageProblem
from comfyfleet.core.properties import Property, PropertyType, Scalar
from comfyfleet.core.properties import parse_value as parse
from comfyfleet.protocol.api import ConfigurableProperty, EffectView


@dataclass(frozen=True)
class Inputs:
    """What a job gets: values by property key, and files that still have to be uploaded."""

    values: dict[str, Scalar] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)


def read_inputs(effect: EffectView, primary: Path | None, assignments: list[str]) -> Inputs:
    """Return the inputs of a job of `effect`, checked against its configurable properties before any upload.

    A value `@FILE` is read from a file (for a text) or uploaded (for a file property, where the @ may be left out);
    `@@…` is a text that starts with @.

    Raises:
        UsageProblem: A key is unknown, a file is not there, or something required is missing.
        ValueInvalid: A value does not fit its property.
    """
    properties = {prop.key: prop for prop in effect.configurable_properties}
    inputs = Inputs()
    if primary is not None:
        inputs.files[_primary_key(effect)] = existing_file(primary)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise UsageProblem(f"'{assignment}' is no assignment.", hint="Write it as --set key=value.")
        prop = properties.get(key)
        if prop is None:
            raise UsageProblem(
                f"The effect '{effect.slug}' has no property '{key}' that you may set.",
                hint=f"You may set: {', '.join(properties) or 'none'}.",
            )
        if prop.type.is_file:
            inputs.files[key] = existing_file(Path(text.removeprefix("@")))
        else:
            inputs.values[key] = parse_value(as_property(prop), text)
    _check_complete(effect, inputs)
    return inputs


def parse_value(prop: Property, text: str) -> Scalar:
    """Return what was typed for a property as its type; raise `ValueInvalid` or `UsageProblem`."""
    is_words = prop.type in {PropertyType.TEXT, PropertyType.CHOICE}
    return parse(prop, _text(text) if is_words else text)


def as_property(prop: ConfigurableProperty) -> Property:
    """Return the public view of a property as the rules' own type."""
    return Property(
        key=prop.key,
        type=prop.type,
        label=prop.label,
        minimum=prop.minimum,
        maximum=prop.maximum,
        choices=tuple(prop.choices),
    )


def existing_file(path: Path) -> Path:
    """Return `path`; raise `UsageProblem` unless it is a file with something in it."""
    if not path.is_file():
        raise UsageProblem(f"There is no file {path}.", hint="Check its name and the folder you are in.")
    if path.stat().st_size == 0:
        raise UsageProblem(f"{path} is empty.", hint="Choose a file with something in it.")
    return path


def _primary_key(effect: EffectView) -> str:
    for prop in effect.configurable_properties:
        if prop.is_primary_input:
            return prop.key
    raise UsageProblem(f"The effect '{effect.slug}' takes no input file.", hint="Leave --input out.")


def _check_complete(effect: EffectView, inputs: Inputs) -> None:
    given = inputs.values.keys() | inputs.files.keys()
    for prop in effect.configurable_properties:
        if prop.key in given or prop.default is not None or not (prop.required or prop.is_primary_input):
            continue
        how = "--input FILE" if prop.is_primary_input else f"--set {prop.key}=…"
        raise UsageProblem(f"The effect '{effect.slug}' needs '{prop.label or prop.key}'.", hint=f"Give it with {how}.")


def _text(text: str) -> str:
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageProblem(f"There is no file {path}.", hint="For a text that starts with @ write @@.") from error
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{path} is no UTF-8 text.", hint="Convert it to UTF-8.") from error
