from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import ImageFont

from comfyfleet.standin.nodes.overlay import overlay, wrap
from comfyfleet.standin.values import Frames, Pixels

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Bench

PLAIN: dict[str, Any] = {
    "font_size": 12.0,
    "color": "#ffffff",
    "position": "bottom",
    "align": "center",
    "outline": False,
}
GREY = np.full((120, 200, 3), 90, np.uint8)


def drawn(bench: "Bench", text: str, frame: Pixels = GREY, **style: Any) -> Pixels:
    (result,) = overlay(bench.context, images=Frames.held([frame]), text=text, **{**PLAIN, **style}).values
    assert isinstance(result, Frames)
    return next(iter(result))


def touched(picture: Pixels, frame: Pixels = GREY) -> tuple[slice, slice]:
    """Return the rows and columns in which a picture was changed."""
    changed = (picture != frame).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def test_the_text_stands_where_it_is_told_to(bench: "Bench") -> None:
    top, _ = touched(drawn(bench, "Hello", position="top"))
    bottom, _ = touched(drawn(bench, "Hello", position="bottom"))
    assert top.stop < 40
    assert bottom.start > 80
    assert bottom.stop >= 117
    left, centre, right = (touched(drawn(bench, "Hi", align=align))[1] for align in ("left", "center", "right"))
    assert left.start < 6
    assert right.stop > 194
    assert abs((centre.start + centre.stop) / 2 - 100) < 3


def test_the_text_has_its_colour_and_its_outline(bench: "Bench") -> None:
    red = drawn(bench, "M", color="#ff0000", font_size=40)
    assert (red == (255, 0, 0)).all(axis=2).any()
    assert not (red == 0).all(axis=2).any()
    assert (drawn(bench, "M", color="#ff0000", font_size=40, outline=True) == 0).all(axis=2).any()


def test_the_size_is_in_percent_of_the_height(bench: "Bench") -> None:
    heights = [rows.stop - rows.start for rows, _ in (touched(drawn(bench, "M", font_size=s)) for s in (10, 20, 40))]
    assert heights[1] == pytest.approx(2 * heights[0], abs=2)
    assert heights[2] == pytest.approx(4 * heights[0], abs=4)


def test_another_text_is_another_picture_and_the_same_the_same(bench: "Bench") -> None:
    assert np.array_equal(drawn(bench, "one"), drawn(bench, "one"))
    assert not np.array_equal(drawn(bench, "one"), drawn(bench, "two"))


def test_a_blank_text_changes_nothing(bench: "Bench") -> None:
    assert np.array_equal(drawn(bench, " \n "), GREY)


@pytest.mark.parametrize("line_break", ["\n", "\\n"])
def test_lines_stand_below_each_other(bench: "Bench", line_break: str) -> None:
    one, two = touched(drawn(bench, "one"))[0], touched(drawn(bench, f"one{line_break}two"))[0]
    assert two.start < one.start - 10


@pytest.mark.parametrize(
    "text",
    ["a prompt of many words " * 60, "w" * 10_000, 'quotes " and \\ and {{OTHER}} 🎬', "Ä ß é ø ñ", "日本語", "\t tab"],
)
def test_any_text_stays_inside_of_the_picture(bench: "Bench", text: str) -> None:
    picture = drawn(bench, text, outline=True)
    assert picture.shape == GREY.shape
    assert not np.array_equal(picture, GREY)


def test_a_long_text_gets_smaller_until_it_fits(bench: "Bench") -> None:
    rows, columns = touched(drawn(bench, "some words " * 12, font_size=30))
    assert rows.start >= 0
    assert rows.stop <= 120
    assert rows.stop - rows.start > 60
    assert columns.stop <= 200


def test_the_frames_that_come_in_are_left_alone(bench: "Bench") -> None:
    frame = GREY.copy()
    drawn(bench, "Hello", frame)
    assert np.array_equal(frame, GREY)


def test_a_colour_that_is_none_fails(bench: "Bench") -> None:
    with pytest.raises(ValueError, match="unknown color"):
        drawn(bench, "Hello", color="no colour")


def test_words_are_wrapped_and_long_ones_broken() -> None:
    font = ImageFont.load_default(20)
    width = int(font.getlength("four words")) + 1
    assert list(wrap("four words make lines\n\nend", font, width)) == ["four words", "make lines", "", "end"]
    pieces = list(wrap("i" * 200, font, width))
    assert "".join(pieces) == "i" * 200
    assert all(font.getlength(piece) <= width for piece in pieces)
    assert list(wrap("MW", font, 1)) == ["M", "W"]
