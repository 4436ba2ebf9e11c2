"""Installing ComfyUI into the data folder, at a pinned release, for the hardware found."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comfyfleet.core.errors import Invalid, Unavailable
from comfyfleet.up.hardware import Hardware

RELEASE: Final = "v0.33.0"
SOURCE: Final = "https://github.com/comfyanonymous/ComfyUI.git"
_TORCH_PACKAGES: Final = ("torch", "torchvision", "torchaudio")
_DONE: Final = "installed"


class TorchIndexNeeded(Invalid):
    """The usual index has no torch for this hardware."""

    code = "torch_index_needed"


class InstallFailed(Unavailable):
    """A step of the installation failed."""

    code = "comfyui_install_failed"


@dataclass(frozen=True)
class InstalledComfyUI:
    """A ComfyUI in the data folder: its folder and the Python of its own environment."""

    folder: Path
    python: Path

    @property
    def main(self) -> Path:
        """The program."""
        return self.folder / "main.py"


@dataclass(frozen=True)
class Step:
    """One command, what it does in words, and what exists once it was done (None: run it each time)."""

    words: str
    command: tuple[str, ...]
    makes: Path | None = None


@dataclass(frozen=True)
class InstallPlan:
    """What an installation will do."""

    target: InstalledComfyUI
    hardware: Hardware
    steps: tuple[Step, ...]
    marker: Path


def plan_install(
    data: Path,
    hardware: Hardware,
    *,
    torch_index: str | None = None,
    source: str = SOURCE,
    release: str = RELEASE,
) -> InstallPlan:
    """Plan an installation into `data`; what is there already is not done again.

    `torch_index` is the package index of torch builds; the usual one has builds for NVIDIA, Apple and the CPU.

    Raises:
        TorchIndexNeeded: The hardware is AMD's, and no index was given.
    """
    if hardware is Hardware.AMD and torch_index is None:
        raise TorchIndexNeeded(
            "The usual package index has no torch for AMD hardware.",
            hint="Give the index for your ROCm version with --torch-index; PyTorch's own page on installing names it.",
        )
    root = _root(data)
    folder = root / release
    making = root / f"{release}.new"
    environment = root / f"venv-{release}"
    target = InstalledComfyUI(folder, environment / "bin" / "python")
    python = str(target.python)
    steps = (
        Step(f"Clone ComfyUI {release} from {source}", _clone(source, release, making, folder), folder),
        # Its python is there seconds before pip is, which comes last: an environment without pip is made anew.
        Step("Make an environment of its own", _environment(environment), environment / "bin" / "pip"),
        _torch_step(python, hardware, torch_index),
        Step("Install what ComfyUI needs", _pip(python, "-r", str(folder / "requirements.txt"))),
    )
    return InstallPlan(target, hardware, steps, environment / _DONE)


def apply_install(plan: InstallPlan, say: Callable[[str], None]) -> InstalledComfyUI:
    """Carry a plan out, saying each step. An interrupted installation goes on where it stopped.

    Raises:
        InstallFailed: git is missing, or a step failed; what the step said is on the terminal.
    """
    if shutil.which("git") is None:
        raise InstallFailed("git is not installed.", hint="Install git and run this again.")
    plan.target.folder.parent.mkdir(parents=True, exist_ok=True)
    for number, step in enumerate(plan.steps, start=1):
        if step.makes is not None and step.makes.exists():
            say(f"[{number}/{len(plan.steps)}] {step.words}: done before")
            continue
        say(f"[{number}/{len(plan.steps)}] {step.words}")
        _run(step)
    plan.marker.touch()
    return plan.target


def find_installed(data: Path, release: str = RELEASE) -> InstalledComfyUI | None:
    """Return the ComfyUI that was installed whole, or None."""
    environment = _root(data) / f"venv-{release}"
    if not (environment / _DONE).exists():
        return None
    return InstalledComfyUI(_root(data) / release, environment / "bin" / "python")


def start_command(installed: InstalledComfyUI, port: int, base_directory: Path, hardware: Hardware) -> tuple[str, ...]:
    """Return how to start it. It takes uploads of any size: the control plane limits them."""
    options = {
        "--listen": "127.0.0.1",
        "--port": str(port),
        "--base-directory": str(base_directory),
        "--max-upload-size": "102400",
    }
    arguments = [part for pair in options.items() for part in pair]
    cpu = ("--cpu",) if hardware is Hardware.CPU else ()
    return (str(installed.python), str(installed.main), *arguments, "--disable-auto-launch", *cpu)


def _root(data: Path) -> Path:
    return data / "comfyui"


def _clone(source: str, release: str, making: Path, folder: Path) -> tuple[str, ...]:
    clone = 'git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$2" "$1" "$3"'
    script = f'rm -rf "$3" && {clone} && mv "$3" "$4"'
    return ("sh", "-c", script, "clone", source, release, str(making), str(folder))


def _environment(folder: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "venv", "--clear", str(folder))


def _torch_step(python: str, hardware: Hardware, index: str | None) -> Step:
    options = () if index is None else ("--index-url", index)
    return Step(f"Install torch for {hardware}", _pip(python, *options, *_TORCH_PACKAGES))


def _pip(python: str, *arguments: str) -> tuple[str, ...]:
    return (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *arguments)


def _run(step: Step) -> None:
    result = subprocess.run(step.command, check=False)
    if result.returncode != 0:
        raise InstallFailed(
            f"'{step.words}' failed with status {result.returncode}.",
            hint="See what it said above; check the network and free space, then run this again: it goes on from here.",
        )
