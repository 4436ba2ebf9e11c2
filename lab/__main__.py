"""Run the lab until Ctrl-C: `make lab`, or `python -m lab --base FOLDER --speed 60`."""

import argparse
import contextlib
import tempfile
import threading
from pathlib import Path

from lab.lab import Lab


def main() -> None:
    """Start it and print how to use it."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("--base", type=Path, help="the folder that the base image's disk is a copy of")
    parser.add_argument("--speed", type=float, default=1, help="simulated seconds in a real one")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="lab-") as folder,
        Lab(Path(folder), base=options.base, speed=options.speed) as lab,
        contextlib.suppress(KeyboardInterrupt),
    ):
        print(f"# The lab is at {lab.url}; its base image is {lab.base_image_id}. To use it:")
        for name, value in lab.environment().items():
            print(f"export {name}={value}")
        threading.Event().wait()


if __name__ == "__main__":
    main()
