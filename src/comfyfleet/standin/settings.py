"""What the stand-in is started with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

VERSION: Final = "0.33.0-standin"
"""The ComfyUI release whose behaviour is imitated, and that this is not it."""

NOTICE: Final = "comfyfleet stand-in, not ComfyUI: it runs model-free core nodes only"
HEADER: Final = "X-Comfyfleet-Standin"

MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """Where the stand-in listens, where its files are, and how much it takes.

    Attributes:
        base_directory: Holds `input`, `output`, `temp` and, if somebody put them there, `models/<kind>`.
        max_upload_bytes: A larger request body is refused with 413.
        memory_budget_bytes: How many bytes of frames are kept between nodes; beyond it frames are computed one at a
            time when a node reads them, so that a long clip costs time and not memory.
    """

    base_directory: Path
    host: str = "127.0.0.1"
    port: int = 8188
    max_upload_bytes: int = 100 * MIB
    memory_budget_bytes: int = 512 * MIB

    @property
    def argv(self) -> list[str]:
        """The command line as `/system_stats` shows it."""
        return [
            "comfyfleet.standin",
            "--listen",
            self.host,
            "--port",
            str(self.port),
            "--base-directory",
            str(self.base_directory),
            "--max-upload-size",
            f"{self.max_upload_bytes / MIB:g}",
        ]
