"""Which processes are a cluster's own.

`postmaster.pid` outlives a crash of the machine, and its process id may by then be anybody's. `pg_ctl` only asks
whether that process lives: it would signal a stranger of the same user. So we look at the process first.
"""

import os
import signal
from pathlib import Path

import psutil


def postmaster(data: Path) -> psutil.Process | None:
    """Return the server that runs on `data`, or None."""
    process = _named_by_lock_file(data)
    return process if process is not None and _works_on(process, data) else None


def remove_stale_lock_file(data: Path) -> None:
    """Remove a `postmaster.pid` whose process id is now a stranger's, at which Postgres would refuse to start.

    One that names no process at all is left to Postgres, which can tell more about it.
    """
    if _named_by_lock_file(data) is not None and postmaster(data) is None:
        _lock_file(data).unlink(missing_ok=True)


def end_leftovers(data: Path, timeout_seconds: float) -> None:
    """End the server's children that are still busy after it was killed; they keep a new one from starting."""
    leftovers = [process for process in psutil.process_iter() if _works_on(process, data)]
    for process in leftovers:
        try:
            process.send_signal(signal.SIGQUIT)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(leftovers, timeout=timeout_seconds)


def _named_by_lock_file(data: Path) -> psutil.Process | None:
    try:
        return psutil.Process(int(_lock_file(data).read_text().split()[0]))
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        return None


def _lock_file(data: Path) -> Path:
    return data / "postmaster.pid"


def _works_on(process: psutil.Process, data: Path) -> bool:
    """Tell whether it is a Postgres on `data`: its command line says so, or that of its children, the working folder.

    A container's root may not see the working folders of other users, but every command line.
    """
    try:
        if process.pid == os.getpid() or not process.name().startswith("postgres"):
            return False
        return str(data) in process.cmdline() or process.cwd() == str(data)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
