from typing import TYPE_CHECKING

import pytest

from comfyfleet.standin.nodes.text import preview, save_text

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Bench

ODD = 'quotes " and \\ and\r\nlines, {{OTHER}} and 🎬 ' + "long " * 2000


def test_a_text_is_saved_as_it_was_typed(bench: "Bench") -> None:
    result = save_text(bench.context, text=ODD, filename_prefix="job/prompt", format="txt")
    assert result.ui == {
        "text": [ODD],
        "files": [{"filename": "prompt_00001.txt", "subfolder": "job", "type": "output"}],
    }
    assert (bench.base / "output/job/prompt_00001.txt").read_bytes() == ODD.encode()


def test_a_second_text_does_not_replace_the_first(bench: "Bench") -> None:
    for text in ("one", "two"):
        save_text(bench.context, text=text, filename_prefix="prompt", format="md")
    texts = [path.read_text() for path in sorted((bench.base / "output").iterdir())]
    assert texts == ["one", "two"]


@pytest.mark.parametrize(("text", "saved"), [('{"a":"ü"}', '{\n  "a": "ü"\n}'), ("{no json", "{no json")])
def test_json_is_indented_if_it_is_any(bench: "Bench", text: str, saved: str) -> None:
    save_text(bench.context, text=text, filename_prefix="x", format="json")
    assert (bench.base / "output/x_00001.json").read_text(encoding="utf-8") == saved


@pytest.mark.parametrize(
    ("value", "shown"),
    [("text", "text"), (7, "7"), (0.5, "0.5"), (True, "True"), (None, "None"), ([1], "[\n    1\n]")],
)
def test_any_value_is_shown_as_text(bench: "Bench", value: object, shown: str) -> None:
    assert preview(bench.context, source=value).ui == {"text": [shown]}
