"""How a running job is told: bars on a terminal, lines elsewhere, JSON lines for programs."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from comfyfleet.cli.output import error_console, print_json_line, printable, say
from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.wording import size_text
from comfyfleet.protocol.api import JobView

_JSON_PAUSE_SECONDS: Final = 0.5


class Reporter(Protocol):
    """Is told what happens to a job and its files; a context manager around all of it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def upload(self, path: Path, moved: int, total: int | None) -> None:
        """`moved` of `total` bytes of an input were sent."""

    def job(self, job: JobView) -> None:
        """The job changed."""

    def download(self, path: Path, moved: int, total: int | None) -> None:
        """`moved` of `total` bytes of the result were received."""


def state_text(job: JobView) -> str:
    """Return a job's state in a few words, such as `processing 42 % node TextOverlay`."""
    if job.status is JobStatus.QUEUED:
        return "queued" if job.queue_position is None else f"queued, position {job.queue_position}"
    if job.status is not JobStatus.PROCESSING:
        return job.status.value
    words = [job.status.value, f"{job.progress * 100:.0f} %"]
    if job.progress_node:
        words += ["node", job.progress_node]
    if job.cancel_requested:
        words.append("(stopping)")
    return " ".join(words)


class _Scope:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class LineReporter(_Scope):
    """A line for each step and each change of the job's state."""

    def __init__(self, tell: Callable[[str], None] = say) -> None:
        self._tell = tell
        self._last = ""

    def upload(self, path: Path, moved: int, total: int | None) -> None:
        """Tell when the file is there."""
        if moved == total:
            self._tell(f"uploaded {path.name} ({size_text(total)})")

    def job(self, job: JobView) -> None:
        """Tell a new state."""
        text = state_text(job)
        if text != self._last:
            self._tell(text)
        self._last = text

    def download(self, path: Path, moved: int, total: int | None) -> None:
        """Tell when the file is there."""
        if moved == total:
            self._tell(f"downloaded {path.name} ({size_text(total)})")


class JsonReporter(_Scope):
    """A JSON line for each step: `upload`, `job` and `download`."""

    def __init__(self) -> None:
        self._spoke_at = 0.0

    def upload(self, path: Path, moved: int, total: int | None) -> None:
        """Print how far the upload is, at most twice a second and at its end."""
        self._bytes("upload", path, moved, total)

    def job(self, job: JobView) -> None:
        """Print the whole job."""
        print_json_line({"event": "job", "job": job})

    def download(self, path: Path, moved: int, total: int | None) -> None:
        """Print how far the download is, at most twice a second and at its end."""
        self._bytes("download", path, moved, total)

    def _bytes(self, event: str, path: Path, moved: int, total: int | None) -> None:
        now = time.monotonic()
        if moved == total or now - self._spoke_at >= _JSON_PAUSE_SECONDS:
            self._spoke_at = now
            print_json_line({"event": event, "path": str(path), "bytes": moved, "total": total})


class BarReporter(_Scope):
    """Bars on a terminal: upload, job, download."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=error_console(),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def upload(self, path: Path, moved: int, total: int | None) -> None:
        """Move the bar of this file."""
        self._bar(f"upload {path}", f"uploading {path.name}", moved, total)

    def job(self, job: JobView) -> None:
        """Move the job's bar."""
        done = 1.0 if job.status is JobStatus.COMPLETED else job.progress
        self._bar("job", state_text(job), done, 1.0)

    def download(self, path: Path, moved: int, total: int | None) -> None:
        """Move the bar of the result."""
        self._bar("download", f"downloading {path.name}", moved, total)

    def _bar(self, name: str, description: str, done: float, total: float | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task("", total=total)
        self._progress.update(self._tasks[name], description=printable(description), completed=done, total=total)


def reporter_for(*, as_json: bool) -> Reporter:
    """Return the reporter that fits: JSON if asked for, bars on a terminal, lines elsewhere."""
    if as_json:
        return JsonReporter()
    return BarReporter() if error_console().is_terminal else LineReporter()
