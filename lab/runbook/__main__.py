"""Walk through the runbook in a lab: `make lab-runbook`, or `python -m lab.runbook --folder FOLDER`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from lab.lab import Lab
from lab.runbook.operator import StepFailed
from lab.runbook.walk import Walk

_SPEED = 5
"""The control plane tells its figures every ten real seconds, and alarms look at each simulated minute."""


def main() -> int:
    """Walk; return 1 when a step fails."""
    parser = argparse.ArgumentParser(prog="lab.runbook", description=__doc__)
    parser.add_argument("--folder", type=Path, help="keep what the lab makes in this new folder, for looking at it")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lab-runbook-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        with Lab(folder / "lab", speed=_SPEED) as lab, Walk(lab, folder) as walk:
            try:
                walk.all()
            except StepFailed as error:
                print(f"\nFAILED: {error}", file=sys.stderr)
                return 1
    print(f"\nAll of the runbook was done in {time.monotonic() - began:.0f} s. Each step, in seconds:")
    for title, seconds in walk.took.items():
        print(f"  {seconds:6.1f}  {title}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
