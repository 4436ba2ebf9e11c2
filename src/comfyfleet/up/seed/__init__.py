"""Seed content: workflows and effects that need no model, and a sample clip of our own making."""

import json
from pathlib import Path
from typing import Any

from comfyfleet.protocol.api import NewEffect, NewWorkflow

_FOLDER = Path(__file__).parent
_PREVIEW_TYPES = {".mp4": "video/mp4", ".webp": "image/webp"}


def seed_workflows() -> list[NewWorkflow]:
    """Return the workflows that a first start imports, each with its graph."""
    return [_workflow(**entry) for entry in _read("seed.json")["workflows"]]


def seed_effects() -> list[NewEffect]:
    """Return the effects that a first start makes of the seeded workflows."""
    return [NewEffect(**entry) for entry in _read("seed.json")["effects"]]


def seed_preview(slug: str) -> tuple[bytes, str] | None:
    """Return what an effect makes of the sample clip, in small, and its MIME type; None where there is none."""
    for path in (_FOLDER / "previews").glob(f"{slug}.*"):
        return path.read_bytes(), _PREVIEW_TYPES[path.suffix]
    return None


def sample_path() -> Path:
    """Return the sample clip: 3 s of 320x240 at 24 frames a second, H.264, with a quiet chord."""
    return _FOLDER / "sample.mp4"


def _workflow(graph_file: str, **definition: Any) -> NewWorkflow:
    return NewWorkflow(graph=_read(graph_file), **definition)


def _read(filename: str) -> Any:
    return json.loads((_FOLDER / filename).read_text(encoding="utf-8"))
