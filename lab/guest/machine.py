"""What a program on a machine of the lab knows: its machine's folder, address and environment."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ENVIRONMENT_FILE: Final = "run/environment.json"
"""What every service begins with; `run` is not part of the disk, so no image has it."""

SHUTDOWN_FILE: Final = "run/shutdown"
"""When the machine halts by itself: minutes after the file was written. The lab looks whether it is there."""


@dataclass(frozen=True)
class Guest:
    """The machine that we run on."""

    root: Path
    environment: dict[str, str]

    @property
    def address(self) -> str:
        """The address that stands for the machine's own loopback."""
        return self.environment["COMFYUI_ADDRESS"]

    def log_of(self, unit: str) -> Path:
        """Return the file of what a service printed."""
        return self.root / "var/log/journal" / f"{unit}.log"


def this_machine() -> Guest:
    """Return the machine that we run on, as the lab left it in our environment."""
    root = Path(os.environ["MACHINE_ROOT"])
    return Guest(root, json.loads((root / ENVIRONMENT_FILE).read_text()))
