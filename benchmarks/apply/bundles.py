"""The two bundles of the benchmark: which files they have, and their manifests. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

MIB: Final = 2**20
FIRST_BUNDLE: Final = "11111111-1111-4111-8111-111111111111"
NEXT_BUNDLE: Final = "22222222-2222-4222-8222-222222222222"
SHARED: Final = 0.9

_FOLDER_OF: Final = {"checkpoint": "models/checkpoints", "lora": "models/loras", "embedding": "models/embeddings"}
_LARGE_COUNT: Final = 8
_SMALL_COUNT: Final = 200
_SMALLEST: Final = 2**10
_DROPPED: Final = 2


@dataclass(frozen=True)
class Planned:
    """A file that is to be made, `size` bytes long."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True)
class Made:
    """A file that is there, with its digest."""

    name: str
    kind: str
    size: int
    sha256: str

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return f"assets/{self.kind}/{self.sha256}"

    @property
    def target_path(self) -> str:
        """Where it goes below the install root."""
        return f"{_FOLDER_OF[self.kind]}/{self.name}"


def plan_first(scale: float, seed: int) -> list[Planned]:
    """Return 1 file of 2 GiB, 8 of 256 MiB and 200 of 1 KiB to 1 MiB; `scale` multiplies the first two sizes."""
    random = Random(seed)  # noqa: S311 - sizes, no secrets
    large = [Planned("base.safetensors", "checkpoint", round(2048 * MIB * scale))]
    large += [Planned(f"style-{i}.safetensors", "lora", round(256 * MIB * scale)) for i in range(_LARGE_COUNT)]
    # Most small files are far smaller than the largest: the mean is a fifth of it.
    sizes = (_SMALLEST + round((MIB - _SMALLEST) * random.random() ** 4) for _ in range(_SMALL_COUNT))
    return large + [Planned(f"word-{i:03}.safetensors", "embedding", size) for i, size in enumerate(sizes)]


def kept_of(first: Sequence[Made]) -> list[Made]:
    """Return what the next bundle shares with the first one: all but two of the large files."""
    dropped = {made.name for made in [made for made in first if made.kind == "lora"][:_DROPPED]}
    return [made for made in first if made.name not in dropped]


def plan_new(kept: Sequence[Made]) -> Planned:
    """Return the file that makes a bundle of `kept` share exactly 90 % of its bytes with them."""
    shared = sum(made.size for made in kept)
    return Planned("new-style.safetensors", "lora", int(shared / SHARED * (1 - SHARED)))


def manifest(bundle_id: str, files: Sequence[Made]) -> bytes:
    """Return a manifest of version 1, written by hand and not by the code that is measured."""
    document: dict[str, Any] = {
        "manifest_version": 1,
        "bundle_id": bundle_id,
        "name": "benchmark",
        "created_at": "2026-02-20T12:34:56Z",
        "notes": None,
        "assets": [
            {
                "asset_id": number,
                "kind": made.kind,
                "sha256": made.sha256,
                "size": made.size,
                "asset_s3_key": made.key,
                "original_filename": made.name,
                "target_path": made.target_path,
                "action": "copy",
            }
            for number, made in enumerate(files, start=1)
        ],
    }
    return json.dumps(document, indent=1).encode()
