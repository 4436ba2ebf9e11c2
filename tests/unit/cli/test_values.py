from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.values import Inputs, parse_value, read_inputs
from comfyfleet.core.properties import Property, PropertyType, ValueInvalid

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (PropertyType.NUMBER, "12", 12),
        (PropertyType.NUMBER, "-0.5", -0.5),
        (PropertyType.NUMBER, "1e3", 1000.0),
        (PropertyType.SEED, "18446744073709551615", 2**64 - 1),
        (PropertyType.BOOLEAN, "true", True),
        (PropertyType.BOOLEAN, "Off", False),
        (PropertyType.TEXT, "12", "12"),
        (PropertyType.TEXT, "a=b", "a=b"),
        (PropertyType.TEXT, "@@home", "@home"),
        (PropertyType.TEXT, "", ""),
    ],
)
def test_what_is_typed_gets_the_propertys_type(kind: PropertyType, text: str, value: object) -> None:
    result = parse_value(Property("key", kind), text)
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (PropertyType.NUMBER, "twelve", "must be a number"),
        (PropertyType.NUMBER, "true", "must be a number"),
        (PropertyType.NUMBER, "NaN", "must be a number"),
        (PropertyType.NUMBER, "51", "must be at most 50"),
        (PropertyType.SEED, "1.5", "must be a whole number"),
        (PropertyType.BOOLEAN, "maybe", "must be true or false"),
        (PropertyType.CHOICE, "left", "must be one of top, bottom"),
    ],
)
def test_what_does_not_fit_is_told(kind: PropertyType, text: str, message: str) -> None:
    with pytest.raises(ValueInvalid, match=message):
        parse_value(Property("key", kind, maximum=50, choices=("top", "bottom")), text)


def test_a_text_is_read_from_a_file_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text('two\nlines "quoted"\n', encoding="utf-8")
    assert parse_value(Property("key", PropertyType.TEXT), f"@{tmp_path}/prompt.txt") == 'two\nlines "quoted"\n'


def test_a_text_file_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageProblem, match=r"There is no file nowhere\.txt"):
        parse_value(Property("key", PropertyType.TEXT), "@nowhere.txt")


def test_inputs_are_sorted_into_values_and_files(fake_plane: "FakePlane", tmp_path: Path) -> None:
    clip, mask = tmp_path / "clip.mp4", tmp_path / "mask.png"
    clip.write_bytes(b"c")
    mask.write_bytes(b"m")
    assignments = ["prompt=Hi", "size=20", "outline=no", "position=bottom", "seed=7", f"mask=@{mask}"]
    assert read_inputs(fake_plane.has_effect(), clip, assignments) == Inputs(
        values={"prompt": "Hi", "size": 20, "outline": False, "position": "bottom", "seed": 7},
        files={"clip": clip, "mask": mask},
    )


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["prompt"], "'prompt' is no assignment"),
        (["prompt=a", "colour=red"], "has no property 'colour'"),
        ([], "needs 'prompt'"),
        (["prompt=a", "mask=nowhere.png"], r"There is no file nowhere\.png"),
    ],
)
def test_a_wrong_assignment_is_told(
    fake_plane: "FakePlane", tmp_path: Path, assignments: list[str], message: str
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"c")
    with pytest.raises(UsageProblem, match=message):
        read_inputs(fake_plane.has_effect(), tmp_path / "clip.mp4", assignments)


def test_a_missing_or_empty_input_file_is_told(fake_plane: "FakePlane", tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    effect = fake_plane.has_effect()
    with pytest.raises(UsageProblem, match="needs 'clip'") as caught:
        read_inputs(effect, None, ["prompt=a"])
    assert "--input FILE" in caught.value.hint
    with pytest.raises(UsageProblem, match="is empty"):
        read_inputs(effect, tmp_path / "empty.mp4", ["prompt=a"])
    with pytest.raises(UsageProblem, match="There is no file"):
        read_inputs(effect, tmp_path, ["prompt=a"])


def test_an_effect_without_a_primary_input_takes_no_file(fake_plane: "FakePlane", tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"c")
    effect = fake_plane.has_effect()
    effect.configurable_properties.pop(0)
    with pytest.raises(UsageProblem, match="takes no input file"):
        read_inputs(effect, tmp_path / "clip.mp4", [])
