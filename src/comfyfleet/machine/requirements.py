"""Packages that custom nodes need, installed into ComfyUI's own environment before the nodes are put in place."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from comfyfleet.machine.errors import RequirementsFailed
from comfyfleet.machine.report import Report

_TIMEOUT_SECONDS: Final = 3600
_SHOWN_LINES: Final = 15
_ENVIRONMENTS: Final = ("venv", ".venv")


def find_python(root: Path, configured: Path | None) -> Path | None:
    """Return the Python of ComfyUI's environment: the configured one, or that of a venv in the install root."""
    if configured is not None:
        return configured
    candidates = [root / name / "bin" / "python" for name in _ENVIRONMENTS]
    return next((path for path in candidates if path.exists()), None)


def install_requirements(
    python: Path | None,
    lock: str | None,
    nodes: Sequence[Path],
    scratch: Path,
    report: Report,
    *,
    is_lock_new: bool = False,
) -> None:
    """Install what the unpacked custom nodes at `nodes` ask for: the bundle's lock if it has one, else their own lists.

    A new lock is installed though no node is new.

    Raises:
        RequirementsFailed: ComfyUI's Python is unknown, or pip failed.
    """
    lists = [path for node in nodes if (path := node / "requirements.txt").is_file()]
    if not lists and (lock is None or not (nodes or is_lock_new)):
        return
    if python is None or not python.exists():
        raise RequirementsFailed(
            "Custom nodes need packages, and ComfyUI's Python is not known.",
            hint="Set COMFYUI_PYTHON to the python of ComfyUI's environment.",
        )
    if lock is not None:
        written = scratch / "requirements.lock"
        written.write_text(lock, encoding="utf-8")
        lists = [written]
    report.say("installing packages of custom nodes" + (" from the bundle's lock" if lock is not None else ""))
    _run_pip(python, lists, is_hashed=lock is not None and "--hash=" in lock)


def _run_pip(python: Path, lists: Sequence[Path], *, is_hashed: bool) -> None:
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    if is_hashed:
        command.append("--require-hashes")
    for path in lists:
        command += ["-r", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RequirementsFailed(f"pip could not be run: {error}.", hint="Look at COMFYUI_PYTHON.") from error
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_SHOWN_LINES:])
        raise RequirementsFailed(
            f"The packages of the custom nodes could not be installed:\n{said}",
            hint="Mend the node's requirements, or write a bundle with a lock.",
        )
