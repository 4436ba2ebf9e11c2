"""Keeps one service: `python -m lab.guest.supervisor comfyui.service`. SIGTERM ends it, and so does the lab's end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import Final

import psutil

from lab.guest.machine import this_machine
from lab.guest.services import hold, launch, log, note_restarts
from lab.guest.units import Unit, read_unit

_LOOK_SECONDS: Final = 0.5


def main(name: str) -> None:
    """Run the service until it is to end, again and again if its unit says so."""
    guest = this_machine()
    unit = read_unit(name, guest)
    is_asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_asked.set())
    with contextlib.suppress(BlockingIOError), hold(guest, unit), log(guest, unit) as output:
        count = 0
        while not _is_over(is_asked):
            note_restarts(guest, unit, count)
            child = launch(guest, unit, output)
            while child.poll() is None and not _is_over(is_asked):
                is_asked.wait(_LOOK_SECONDS)
            if child.poll() is None:
                _end(child, unit)
            elif unit.is_restarted:
                is_asked.wait(unit.pause_seconds)
                count += 1
            else:
                return


def _is_over(is_asked: threading.Event) -> bool:
    return is_asked.is_set() or not psutil.pid_exists(int(os.environ["LAB_PID"]))


def _end(child: subprocess.Popen[bytes], unit: Unit) -> None:
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(unit.stop_seconds)
    child.kill()
    child.wait()


if __name__ == "__main__":
    main(sys.argv[1])
