"""What lasts too long is refused before it is rendered."""

from pathlib import Path

import pytest

from comfyfleet.protocol.worker import FileAsset
from comfyfleet.up.seed import sample_path
from comfyfleet.worker.durations import check_duration
from comfyfleet.worker.errors import InputTooLong


def asset(max_seconds: float | None) -> FileAsset:
    """Describe a file; the sample clip lasts three seconds."""
    return FileAsset(
        key="clip", type="video", placeholder="x", download_url="http://x/clip.mp4", max_seconds=max_seconds
    )


@pytest.mark.parametrize("limit", [None, 3, 2.6, 60])
def test_what_is_short_enough_passes(limit: float | None) -> None:
    check_duration(asset(limit), sample_path())


def test_what_lasts_too_long_is_refused_in_words() -> None:
    with pytest.raises(InputTooLong, match=r"lasts 3\.0 seconds, and this effect takes 2 at most") as refused:
        check_duration(asset(2), sample_path())
    assert not refused.value.is_retryable


def test_what_cannot_be_measured_is_left_to_comfyui(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    check_duration(asset(1), tmp_path / "clip.mp4")
