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

from comfyfleet.cli.output import error_console, print_json_line, printable, say, size_text
from comfyfleet.client.asset_upload import Stage

_LINE_SECONDS: Final = 10.0
_JSON_SECONDS: Final = 0.5


class AssetProgress:
    """Is told how far the present file is; a context manager around all files."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._spoke_at = time.monotonic()
        if not as_json and error_console().is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=error_console(),
            )

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def begin(self, name: str) -> None:
        """From now on it is about this file."""
        self._name = name
        self._spoke_at = time.monotonic()
        self._task = self._bars.add_task("", total=None) if self._bars is not None else None

    def tell(self, stage: Stage, done: int, total: int) -> None:
        """Tell how many bytes of the stage are done; may be called by several threads, one at a time."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, description=printable(f"{stage} {self._name}"), completed=done, total=total)
            return
        now = time.monotonic()
        if now - self._spoke_at < (_JSON_SECONDS if self._as_json else _LINE_SECONDS):
            return
        self._spoke_at = now
        if self._as_json:
            print_json_line({"event": stage.value, "file": self._name, "bytes": done, "total": total})
        else:
            say(f"{stage} {self._name}: {size_text(done)} of {size_text(total)}")
