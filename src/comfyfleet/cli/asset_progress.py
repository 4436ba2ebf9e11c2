"""How `assets add` and `assets import` tell their progress: a bar a file, lines elsewhere, JSON lines for programs."""

import time
from types import TracebackType
from typing import Final, Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from comfyfleet.cli.output import error_console, print_json_line, printable, say
from comfyfleet.client.asset_upload import Stage
from comfyfleet.core.wording import size_text

_LINE_SECONDS: Final = 10.0
_JSON_SECONDS: Final = 0.5


class AssetProgress:
    """Is told how far the present file is; a context manager around all files."""

    def __init__(self, *, as_json: bool) -> None:
        self._pause_seconds = _JSON_SECONDS if as_json else _LINE_SECONDS
        self._as_json = as_json
        self._bars = None if as_json or not error_console().is_terminal else _bars()
        self._task: TaskID | None = None
        self._name = ""
        self._stage: Stage | None = None
        self._spoke_at = 0.0

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    @property
    def stage(self) -> Stage | None:
        """What is done with the present file; None before anything is."""
        return self._stage

    def begin(self, name: str) -> None:
        """From now on it is about this file."""
        self.end()
        self._name, self._stage, self._spoke_at = name, None, time.monotonic()
        if self._bars is not None:
            self._task = self._bars.add_task(printable(name), total=None)

    def end(self) -> None:
        """The present file is done: its bar goes, as a line tells of it."""
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

    def tell(self, stage: Stage, done: int, total: int) -> None:
        """Tell how many bytes of the stage are done; may be called by several threads, one at a time."""
        is_new, self._stage = stage is not self._stage, stage
        if self._bars is not None:
            self._show(self._bars, stage, done, total, is_new=is_new)
            return
        now = time.monotonic()
        if now - self._spoke_at < self._pause_seconds:
            return
        self._spoke_at = now
        if self._as_json:
            print_json_line({"event": stage.value, "file": self._name, "bytes": done, "total": total})
        else:
            say(f"{stage} {self._name}: {size_text(done)} of {size_text(total)}")

    def _show(self, bars: Progress, stage: Stage, done: int, total: int, *, is_new: bool) -> None:
        if self._task is None:
            return
        if is_new:  # speed and rest are of this stage; what was there before it was not made in it
            text = printable(f"{stage} {self._name}")
            bars.reset(self._task, total=total, completed=done, description=text)
        bars.update(self._task, completed=done, total=total)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=error_console(),
    )
