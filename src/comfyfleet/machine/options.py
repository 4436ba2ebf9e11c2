"""How a bundle is applied."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """`first` are target paths that come before others; `store_limit_bytes` bounds what the content store keeps."""

    first: tuple[str, ...] = ()
    connections: int = 8
    store_limit_bytes: int | None = None
    comfyui_python: Path | None = None
    restart_command: str | None = None
