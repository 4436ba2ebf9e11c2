"""Videos: load, take apart, put together, save."""

import json
import mimetypes
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from comfyfleet.standin.folders import Folders
from comfyfleet.standin.media import read_audio, read_fps, read_frames, write_mp4
from comfyfleet.standin.nodes.spec import Context, Input, Node, Result, choice
from comfyfleet.standin.settings import NOTICE
from comfyfleet.standin.values import Audio, Frames, Video, VideoFile


def load_video(context: Context, *, file: str) -> Result:
    """Name a video file; it is read by who takes it apart."""
    return Result((VideoFile(context.folders.named(file)),))


def components(_: Context, *, video: Video | VideoFile) -> Result:
    """Take a video apart into frames, sound and frames a second."""
    parts = opened(video)
    return Result((parts.frames, parts.audio, float(parts.fps)))


def create_video(_: Context, *, images: Frames, fps: float, audio: Audio | None = None) -> Result:
    """Put frames and sound together."""
    return Result((Video(images, audio, Fraction(fps)),))


def save_video(
    context: Context,
    *,
    video: Video | VideoFile,
    filename_prefix: str,
    format: str,  # noqa: A002 - its name in ComfyUI
    codec: str = "auto",
    format_codec: str = "auto",
) -> Result:
    """Save a video as H.264 in mp4, which is all that this format and this codec can be here."""
    parts = opened(video)
    place = context.folders.next_output(filename_prefix, "_.mp4", width=parts.frames.width, height=parts.frames.height)
    try:
        write_mp4(place.path, context.each(parts.frames), parts.audio, parts.fps, _metadata(context))
    except BaseException:
        # What was written so far cannot be played, and would keep its number for ever.
        place.path.unlink(missing_ok=True)
        raise
    return Result((video,), {"images": [place.reference()], "animated": [True]})


def opened(video: Video | VideoFile) -> Video:
    """Return a video in parts, reading its file if it is one still."""
    if isinstance(video, Video):
        return video
    return Video(read_frames(video.path), read_audio(video.path), read_fps(video.path))


def _metadata(context: Context) -> dict[str, str]:
    extra = {str(key): json.dumps(value) for key, value in context.pnginfo.items()}
    return {**extra, "prompt": json.dumps(context.graph), "comment": NOTICE}


def _videos(folders: Folders) -> Sequence[str]:
    return [name for name in folders.files("input") if (mimetypes.guess_type(name)[0] or "").startswith("video/")]


NODES: Final = (
    Node(
        "LoadVideo",
        (Input("file", "COMBO", {"video_upload": True}, choices=_videos, file="video"),),
        ("VIDEO",),
        load_video,
        title="Load Video",
        category="video",
    ),
    Node(
        "GetVideoComponents",
        (Input("video", "VIDEO"),),
        ("IMAGE", "AUDIO", "FLOAT"),
        components,
        title="Get Video Components",
        category="video",
        output_names=("images", "audio", "fps"),
    ),
    Node(
        "CreateVideo",
        (
            Input("images", "IMAGE"),
            Input("fps", "FLOAT", {"default": 30.0, "min": 1.0, "max": 120.0, "step": 1.0}),
            Input("audio", "AUDIO", is_required=False),
        ),
        ("VIDEO",),
        create_video,
        title="Create Video",
        category="video",
    ),
    Node(
        "SaveVideo",
        (
            Input("video", "VIDEO", {"tooltip": "The video to save."}),
            Input("filename_prefix", "STRING", {"default": "video/ComfyUI", "multiline": False}),
            choice("format", "auto", "mp4", default="auto"),
            choice("codec", "auto", "h264", is_required=False, default="auto"),
            choice("format.codec", "auto", "h264", is_required=False, default="auto"),
        ),
        ("VIDEO",),
        save_video,
        is_output=True,
        title="Save Video",
        category="video",
        output_names=("video",),
    ),
)
