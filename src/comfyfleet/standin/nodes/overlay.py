"""A text drawn onto frames: laid out and drawn once, then laid over each frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from comfyfleet.standin.nodes.spec import Context, Input, Node, Result, choice
from comfyfleet.standin.values import Frames, Pixels

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour: TypeAlias = tuple[int, ...]

_LINE_HEIGHT: Final = 1.2
_MARGIN: Final = 0.01
_OUTLINE: Final = 0.04
_LEAST_PIXELS: Final = 10
_LEAST_PART: Final = 0.02


@dataclass(frozen=True)
class Style:
    """How a text is drawn: `size` is the height of a line in percent of the picture's, colours are RGBA."""

    size: float
    colour: Colour
    position: str
    align: str
    has_outline: bool


def overlay(
    _: Context, *, images: Frames, text: str, font_size: float, color: str, position: str, align: str, outline: bool
) -> Result:
    """Draw a text at the top or bottom of each picture, wrapped, and smaller if it does not fit.

    The font is the one inside Pillow (Aileron, public domain): a character that it lacks is drawn as a box.

    Raises:
        ValueError: The colour is none.
    """
    if not text.strip():
        return Result((images,))
    colour = ImageColor.getcolor(color, "RGBA")
    style = Style(font_size, colour if isinstance(colour, tuple) else (colour,), position, align, outline)
    layer = draw_layer(images.width, images.height, text.replace("\\n", "\n").replace("\\t", "\t"), style)
    return Result((images.map(_Laying(layer)),))


def draw_layer(width: int, height: int, text: str, style: Style) -> Image.Image:
    """Return a transparent picture with the text on it."""
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    margin = round(_MARGIN * min(width, height))
    block = _fitting(draw, text, style, width - 2 * margin, height - 2 * margin)
    top, bottom = block.span(draw)
    x = {"left": margin, "center": width / 2, "right": width - margin}[style.align]
    y = margin - top if style.position == "top" else height - margin - bottom
    anchor = {"left": "la", "center": "ma", "right": "ra"}[style.align]
    draw.multiline_text(
        (x, y),
        block.text,
        fill=style.colour,
        font=block.font,
        anchor=anchor,
        spacing=block.spacing(draw),
        align=style.align,
        stroke_width=block.stroke,
        stroke_fill=(0, 0, 0, 255),
    )
    return layer


@dataclass(frozen=True)
class _Block:
    """A wrapped text in a font of a size."""

    text: str
    font: Font
    size: int
    stroke: int

    def spacing(self, draw: ImageDraw.ImageDraw) -> float:
        """Pixels to add between lines, so that they are 1.2 sizes apart."""
        one = draw.textbbox((0, 0), "Ay", self.font, stroke_width=self.stroke)
        two = draw.multiline_textbbox((0, 0), "Ay\nAy", self.font, spacing=0, stroke_width=self.stroke)
        return round(self.size * _LINE_HEIGHT - (two[3] - one[3]))

    def span(self, draw: ImageDraw.ImageDraw) -> tuple[float, float]:
        """First and last row that is drawn on, from the block's origin."""
        spacing = self.spacing(draw)
        _, top, _, bottom = draw.multiline_textbbox(
            (0, 0), self.text, self.font, spacing=spacing, stroke_width=self.stroke
        )
        return top, bottom


def _fitting(draw: ImageDraw.ImageDraw, text: str, style: Style, width: int, height: int) -> _Block:
    """Return the text at its size, or at the largest smaller one that fits, but never unreadably small."""
    size = max(1, round(style.size / 100 * draw.im.size[1]))
    least = min(size, max(_LEAST_PIXELS, round(_LEAST_PART * draw.im.size[1])))
    while True:
        font = ImageFont.load_default(size)
        stroke = max(1, round(size * _OUTLINE)) if style.has_outline else 0
        block = _Block("\n".join(wrap(text, font, width)), font, size, stroke)
        top, bottom = block.span(draw)
        if bottom - top <= height or size <= least:
            return block
        size = max(least, int(size * 0.9))


def wrap(text: str, font: Font, width: int) -> Iterator[str]:
    """Yield the lines of a text broken at spaces, or inside a word that is wider than a line; empty lines stay."""
    for paragraph in text.split("\n"):
        line = ""
        for word in (piece for long in paragraph.split() for piece in _pieces(long, font, width)):
            longer = f"{line} {word}" if line else word
            if line and font.getlength(longer) > width:
                yield line
                longer = word
            line = longer
        yield line


def _pieces(word: str, font: Font, width: int) -> Iterator[str]:
    """Yield the parts of a word that each fit into a line; at least one character each."""
    piece = ""
    for character in word:
        if piece and font.getlength(piece + character) > width:
            yield piece
            piece = ""
        piece += character
    yield piece


class _Laying:
    """Lays a layer over frames; only the rows that the text is on are touched."""

    def __init__(self, layer: Image.Image) -> None:
        pixels = np.asarray(layer).astype(np.uint16)
        rows = np.flatnonzero(pixels[:, :, 3].any(axis=1))
        self._rows = slice(rows[0], rows[-1] + 1) if rows.size else slice(0, 0)
        alpha = pixels[self._rows, :, 3:]
        self._ink = pixels[self._rows, :, :3] * alpha + 127
        self._rest = 255 - alpha

    def __call__(self, frame: Pixels) -> Pixels:
        result = frame.copy()
        result[self._rows] = (frame[self._rows] * self._rest + self._ink) // 255
        return result


NODES: Final = (
    Node(
        "TextOverlay",
        (
            Input("images", "IMAGE"),
            Input("text", "STRING", {"default": "", "multiline": True}),
            Input("font_size", "FLOAT", {"default": 5.0, "min": 0.5, "max": 50.0, "step": 0.5}),
            Input("color", "COLOR", {"default": "#ffffff"}),
            choice("position", "top", "bottom", default="top"),
            choice("align", "left", "center", "right", default="left"),
            Input("outline", "BOOLEAN", {"default": True}),
        ),
        ("IMAGE",),
        overlay,
        title="Draw Text Overlay",
        category="text",
        output_names=("images",),
    ),
)
