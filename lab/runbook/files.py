"""The creator's files: a workflow that enlarges a clip, and the small upscaler that it needs."""

import json
import struct
from pathlib import Path
from typing import Any, Final

MODEL: Final = "lab-upscaler.safetensors"
SLUG: Final = "enlarge-video"
OUTPUT_NODE: Final = "6"
_SCALE: Final = 2

GRAPH: Final[dict[str, Any]] = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": "{{INPUT_VIDEO}}"}},
    "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
    "3": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": MODEL}},
    "4": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["3", 0], "image": ["2", 0]}},
    "5": {"class_type": "CreateVideo", "inputs": {"images": ["4", 0], "audio": ["2", 1], "fps": ["2", 2]}},
    "6": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["5", 0], "filename_prefix": "lab/enlarged", "format": "mp4", "codec": "h264"},
    },
}
"""The graph in API format."""

PROPERTIES: Final = [
    {
        "key": "input_video",
        "type": "video",
        "label": "Video",
        "required": True,
        "is_primary_input": True,
        "placeholder": "{{INPUT_VIDEO}}",
    }
]


def write_files(folder: Path) -> None:
    """Write the workflow and the model; the model's one layer adds nothing, so the clip is enlarged as it is."""
    (folder / "workflow.json").write_text(json.dumps(GRAPH, indent=2))
    (folder / "properties.json").write_text(json.dumps(PROPERTIES))
    (folder / MODEL).write_bytes(_model())


def _model() -> bytes:
    channels = 3 * _SCALE**2
    weights = channels * 3 * 3 * 3 * 4
    header = {
        "body.0.weight": {"dtype": "F32", "shape": [channels, 3, 3, 3], "data_offsets": [0, weights]},
        "body.0.bias": {"dtype": "F32", "shape": [channels], "data_offsets": [weights, weights + channels * 4]},
    }
    words = json.dumps(header).encode()
    return struct.pack("<Q", len(words)) + words + bytes(weights + channels * 4)
