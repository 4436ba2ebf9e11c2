"""How much memory a Chromium takes that this process has started, looked at while something runs in it."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

MIB: Final = 2**20
_PAUSE_SECONDS: Final = 0.2
_KIB: Final = 2**10


class MemoryWatch:
    """Notes the most that the page's process has had, and all of Chromium together, in MiB; a context manager.

    The page's process is the renderer: its document, its scripts and its workers. `page_rss` is resident memory with
    the program's own pages, `page_private` what no other process shares, `all_pss` the proportional shares of all.
    """

    def __init__(self) -> None:
        self.page_rss = self.page_private = self.all_pss = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def look(self) -> None:
        """Look once. Of several renderers the largest counts: the others are spare."""
        shares = [(is_page, _shares(process)) for process, is_page in _processes()]
        pages = [share for is_page, share in shares if is_page]
        self.page_rss = max([self.page_rss, *(share["Rss"] for share in pages)])
        self.page_private = max(
            [self.page_private, *(share["Private_Clean"] + share["Private_Dirty"] for share in pages)]
        )
        self.all_pss = max(self.all_pss, sum(share["Pss"] for _, share in shares))

    def _watch(self) -> None:
        while not self._is_over.wait(_PAUSE_SECONDS):
            self.look()


def _processes() -> Iterator[tuple[psutil.Process, bool]]:
    """Yield the processes of the Chromium below us, and whether each is a renderer."""
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                yield process, "--type=renderer" in process.cmdline()
        except psutil.Error:  # it has just ended
            continue


def _shares(process: psutil.Process) -> dict[str, float]:
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:  # it has just ended
        text = ""
    found = {name: int(kib) * _KIB / MIB for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return {name: found.get(name, 0.0) for name in ("Rss", "Pss", "Private_Clean", "Private_Dirty")}
