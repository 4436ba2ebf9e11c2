"""What this machine can render on."""

import platform
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Final

_ROCM: Final = Path("/opt/rocm")


class Hardware(StrEnum):
    """The kinds of hardware that torch has builds for."""

    NVIDIA = "nvidia"
    AMD = "amd"
    APPLE = "apple"
    CPU = "cpu"


def find_hardware() -> Hardware:
    """Look for a GPU by the tools of its driver."""
    if shutil.which("nvidia-smi"):
        return Hardware.NVIDIA
    if shutil.which("rocminfo") or _ROCM.exists():
        return Hardware.AMD
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return Hardware.APPLE
    return Hardware.CPU
