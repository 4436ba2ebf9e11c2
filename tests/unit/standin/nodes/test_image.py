from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from comfyfleet.standin.nodes.image import empty_image, invert, load_image, save_image, scale
from comfyfleet.standin.nodes.spec import Interrupted
from comfyfleet.standin.values import Frames, Pixels

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Bench


def gradient(height: int = 20, width: int = 30) -> Pixels:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = np.linspace(0, 255, width)
    pixels[:, :, 1] = np.linspace(0, 255, height)[:, None]
    return pixels


def frames_of(value: object) -> list[Pixels]:
    assert isinstance(value, Frames)
    return list(value)


def test_a_picture_is_loaded_as_it_is(bench: "Bench") -> None:
    Image.fromarray(gradient()).save(bench.base / "input" / "a.png")
    frames, _ = load_image(bench.context, image="a.png").values
    assert np.array_equal(frames_of(frames)[0], gradient())


def test_a_photo_is_turned_upright(bench: "Bench") -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient()).save(bench.base / "input" / "a.png", exif=exif)
    frames, _ = load_image(bench.context, image="a.png").values
    assert np.array_equal(frames_of(frames)[0], np.rot90(gradient(), -1))


def test_all_frames_of_an_animation_are_loaded(bench: "Bench") -> None:
    parts = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (0, 100, 200)]
    parts[0].save(bench.base / "input" / "a.webp", save_all=True, append_images=parts[1:], lossless=True)
    frames, _ = load_image(bench.context, image="a.webp").values
    assert [int(frame[0, 0, 0]) for frame in frames_of(frames)] == [0, 100, 200]


def test_a_mask_is_what_one_can_see_through(bench: "Bench") -> None:
    picture = Image.fromarray(gradient()).convert("RGBA")
    picture.putalpha(50)
    picture.save(bench.base / "input" / "a.png")
    _, masks = load_image(bench.context, image="a.png").values
    assert isinstance(masks, list)
    assert (masks[0] == 205).all()


def test_what_is_no_picture_fails_in_the_words_of_pillow(bench: "Bench") -> None:
    (bench.base / "input" / "a.png").write_bytes(b"nothing")
    with pytest.raises(UnidentifiedImageError, match="cannot identify image file"):
        load_image(bench.context, image="a.png")


def test_a_colour_is_three_bytes(bench: "Bench") -> None:
    (frames,) = empty_image(bench.context, width=3, height=2, batch_size=4, color=0x102030).values
    made = frames_of(frames)
    assert len(made) == 4
    assert made[3].shape == (2, 3, 3)
    assert made[3][1, 2].tolist() == [0x10, 0x20, 0x30]


def test_inverting_twice_changes_nothing(bench: "Bench") -> None:
    once = invert(bench.context, image=Frames.held([gradient()])).values[0]
    assert isinstance(once, Frames)
    assert np.array_equal(frames_of(once)[0], 255 - gradient())
    assert np.array_equal(frames_of(invert(bench.context, image=once).values[0])[0], gradient())


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
@pytest.mark.parametrize(
    ("width", "height", "expected"), [(15, 10, (10, 15)), (60, 0, (40, 60)), (0, 10, (10, 15)), (0, 0, (20, 30))]
)
def test_a_picture_gets_the_size_that_was_asked_for(
    bench: "Bench", method: str, width: int, height: int, expected: tuple[int, int]
) -> None:
    image = Frames.held([gradient()])
    scaled = scale(
        bench.context, image=image, upscale_method=method, width=width, height=height, crop="disabled"
    ).values[0]
    assert isinstance(scaled, Frames)
    assert (scaled.height, scaled.width) == expected
    assert frames_of(scaled)[0].shape == (*expected, 3)


def test_a_crop_keeps_the_middle_in_its_proportions(bench: "Bench") -> None:
    image = Frames.held([gradient(20, 40)])
    scaled = scale(
        bench.context, image=image, upscale_method="nearest-exact", width=20, height=20, crop="center"
    ).values[0]
    assert np.array_equal(frames_of(scaled)[0], gradient(20, 40)[:, 10:30])


def test_each_picture_is_saved_with_a_number_of_its_own(bench: "Bench") -> None:
    result = save_image(bench.context, images=Frames.held([gradient()] * 2), filename_prefix="job/%width%x%height%")
    assert result.ui == {
        "images": [
            {"filename": "30x20_00001_.png", "subfolder": "job", "type": "output"},
            {"filename": "30x20_00002_.png", "subfolder": "job", "type": "output"},
        ]
    }
    with Image.open(bench.base / "output" / "job" / "30x20_00002_.png") as saved:
        assert np.array_equal(np.asarray(saved), gradient())
        assert saved.info["prompt"] == '{"1": {"class_type": "X", "inputs": {}}}'
        assert saved.info["workflow"] == '{"id": "w"}'


def test_an_interrupt_is_heeded_between_two_pictures(bench: "Bench") -> None:
    bench.interrupt()
    with pytest.raises(Interrupted):
        save_image(bench.context, images=Frames.held([gradient()]), filename_prefix="x")
    assert not list((bench.base / "output").iterdir())
