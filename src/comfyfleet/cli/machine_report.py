"""How `comfyfleet machine` tells its progress: a bar or lines on stderr, and lines in the machine's log."""

import sys
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from comfyfleet.machine.report import Report, size_text
from comfyfleet.machine.settings import MachineSettings

_BAR_SECONDS: Final = 0.2
_LINE_SECONDS: Final = 10.0
_ERASE: Final = "\r\x1b[K"


class Teller:
    """Passes on what happens; a context manager, for it keeps the log open. `lines` is what it noted."""

    def __init__(self, settings: MachineSettings, *, is_quiet: bool, stream: TextIO | None = None) -> None:
        self.report = Report(self._say, self._progress)
        self.lines: list[str] = []
        self._settings = settings
        self._is_quiet = is_quiet
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._log: TextIO | None = None
        self._closing = ExitStack()
        self._spoke_at = time.monotonic()
        self._noted_at = time.monotonic()
        self._began_at = time.monotonic()

    def __enter__(self) -> Self:
        self._log = self._open_log()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show("")
        if error is not None:
            self._note(f"failed: {str(error) or type(error).__name__}")
        self._closing.close()

    def _open_log(self) -> TextIO | None:
        path = self._settings.asset_sync_log
        try:
            return self._closing.enter_context(path.open("a", encoding="utf-8"))
        except OSError as error:
            if _is_chosen(self._settings, path):
                raise
            self._show(f"{path} cannot be written ({error.strerror}): this run is not in the machine's log\n")
            return None

    def _say(self, line: str) -> None:
        self._note(line)
        self._show(f"{line}\n")

    def _progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        pause = _BAR_SECONDS if self._is_terminal else _LINE_SECONDS
        if now - self._spoke_at >= pause and done < total:
            self._spoke_at = now
            line = _progress_line(done, total, now - self._began_at)
            self._show(line if self._is_terminal else f"{line}\n")
        if now - self._noted_at >= _LINE_SECONDS:
            self._noted_at = now
            self._note(_progress_line(done, total, now - self._began_at))

    def _show(self, text: str) -> None:
        if self._is_quiet:
            return
        try:
            self._stream.write(f"{_ERASE}{text}" if self._is_terminal else text)
            self._stream.flush()
        except OSError:  # nobody listens any more; the work goes on
            self._is_quiet = True

    def _note(self, line: str) -> None:
        lines = [f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {part}" for part in line.splitlines()]
        self.lines += lines
        if self._log is None:
            return
        try:
            self._log.writelines(f"{one}\n" for one in lines)
            self._log.flush()
        except OSError as error:  # a log on a full disk must not end what it tells of
            with suppress(OSError):
                self._log.close()
            self._log = None
            self._show(f"the log cannot be written any more ({error.strerror})\n")


def _is_chosen(settings: MachineSettings, path: Path) -> bool:
    return "asset_sync_log" in settings.model_fields_set and bool(path.name)


def _progress_line(done: int, total: int, seconds: float) -> str:
    speed = done / seconds if seconds > 0 else 0
    rest = f", {(total - done) / speed:.0f} s left" if speed > 0 else ""
    share = 100 * done / total if total else 100
    return f"{share:3.0f} % {size_text(done)} of {size_text(total)}, {size_text(int(speed))}/s{rest}"
