"""How long a worker takes from its start to its first word, in an environment without the server's packages.

Half of a fleet's cold start is nobody's to change; this half is. `python -m benchmarks.worker_start`, or
`make bench-worker-start`, which makes the environment.
"""

import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.bars import Bar, end
from benchmarks.errors import BenchmarkFailed

PYTHON: Final = Path(".cache/worker/bin/python")
RUNS: Final = 9
LIMIT_SECONDS: Final = 2.0
_NOWHERE: Final = "http://127.0.0.1:1"
_ENVIRONMENT: Final = {
    "API_BASE_URL": _NOWHERE,
    "COMFYUI_BASE_URL": _NOWHERE,
    "WORKER_ID": "i-benchmark",
    "FLEET_SECRET": "a secret that nobody asks for",
    "FLEET_SLUG": "gpu-default",
}


def main() -> int:
    """Measure, print, and tell by the exit status whether the bar holds."""
    if not PYTHON.exists():
        raise BenchmarkFailed(f"There is no {PYTHON}.", hint="Make it: make bench-worker-start.")
    seconds = [_start() for _ in range(RUNS)]
    bare = [_bare() for _ in range(RUNS)]
    print(f"first word after {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    print(f"Python alone {median(bare):.2f} s")
    figures = {"median_seconds": round(median(seconds), 3), "max_seconds": round(max(seconds), 3)}
    ratios = {"to_bare_python": median(seconds) / median(bare)}
    return end("worker_start", RUNS, figures, ratios, {"median_seconds": Bar(LIMIT_SECONDS, median(seconds))})


def _start() -> float:
    """Return the seconds until the agent logs that it is there; it is killed then."""
    began = time.perf_counter()
    command = [str(PYTHON), "-m", "comfyfleet", "worker"]
    with subprocess.Popen(command, env=os.environ | _ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        try:
            if process.stderr is None or "i-benchmark" not in process.stderr.readline():
                raise BenchmarkFailed("The worker did not say that it is there.", hint="Start it by hand and look.")
            return time.perf_counter() - began
        finally:
            process.kill()


def _bare() -> float:
    """Return what starting Python takes at all."""
    began = time.perf_counter()
    subprocess.run([PYTHON, "-c", ""], check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
