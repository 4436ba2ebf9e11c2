"""`python -m benchmarks.browser_upload [--gib 3] [--cache .cache/bench-browser-upload]`: see benchmarks/README.md."""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from playwright.sync_api import Browser, CDPSession, Page
from tests.support.browser import chromium, find_chromium
from tests.support.fleet import Fleet, eventually

from benchmarks.bars import Bar, end
from benchmarks.chromium_memory import MIB, MemoryWatch
from benchmarks.errors import BenchmarkFailed
from benchmarks.library.proxy import CountingProxy
from comfyfleet.cloud.local.network import free_port
from comfyfleet.core.assets import part_size_of

GIB: Final = 2**30
RESTART_AT: Final = 0.25
RELOAD_AT: Final = 0.5
PAGE_MIB_LIMIT: Final = 300.0
PARTS_UNDER_WAY: Final = 4
TO_COMMAND_LIMIT: Final = 1.5
_PAGE: Final = "/admin/comfyui/assets"
_LONGEST_SECONDS: Final = 3600.0
_BLOCK_EVERY: Final = 8 * MIB
_EMAIL: Final = "bench@example.com"
_PASSWORD: Final = "a long enough password"


def main() -> int:
    """Measure, print, and return 0 when all bars hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.browser_upload", description=__doc__)
    parser.add_argument("--gib", type=float, default=3.0)
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench-browser-upload"))
    arguments = parser.parse_args()
    size, cache = int(arguments.gib * GIB), arguments.cache.absolute()
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    try:
        figures = _measure(size, cache)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    ratios = {"to_command": figures["browser_seconds"] / figures["command_seconds"]}
    unfinished = 2 * PARTS_UNDER_WAY * part_size_of(size) / MIB  # at the restart, and at the reload
    bars = {
        "page_peak_mib": Bar(PAGE_MIB_LIMIT, figures["page_rss_mib"], is_strict=True),
        "sent_again_mib": Bar(unfinished, figures["sent_again_mib"]),
        "known_again_mib": Bar(1.0, figures["known_again_mib"]),
        "seconds_to_command": Bar(TO_COMMAND_LIMIT, ratios["to_command"]),
    }
    for name, value in figures.items():
        print(f"{name:<24} {value:12.3f}")
    return end("browser_upload", 1, figures, ratios, bars)


class Machine:
    """A `comfyfleet up` without a worker that can be restarted on its data and port; a context manager."""

    def __init__(self, data: Path) -> None:
        self._words = (data, "--no-worker", "--port", str(free_port()))
        self._running = contextlib.ExitStack()
        self.fleet: Fleet

    def __enter__(self) -> Self:
        self.fleet = self._running.enter_context(Fleet.up(*self._words))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def restart(self) -> None:
        """Stop it as by Ctrl-C and start it again."""
        self._running.close()
        self.__enter__()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._words[-1])


def _measure(size: int, cache: Path) -> dict[str, float]:
    files = [cache / f"{name}.safetensors" for name in ("interrupted", "whole", "command")]
    print(f"making three files of {size / GIB:.2f} GiB …", flush=True)
    digests = [_make_file(file, size) for file in files]
    figures = {"size_gib": size / GIB}
    with Machine(cache / "data") as machine, _browser() as browser:
        proxy = CountingProxy(machine.port)
        page = _signed_in(browser, machine.fleet, proxy.url)
        figures |= _interrupted(page, machine, proxy, files[0])
        _check(machine.fleet, cache, digests[0], size)
        figures |= _known_again(page, proxy, files[0])
        _forget(machine.fleet, digests[0])
        figures["browser_seconds"] = _whole(page, files[1])
        _check(machine.fleet, cache, digests[1], size)
        _forget(machine.fleet, digests[1])
        figures["command_seconds"] = _by_command(machine.fleet, proxy.url, files[2])
        proxy.close()
    return figures


def _interrupted(page: Page, machine: Machine, proxy: CountingProxy, file: Path) -> dict[str, float]:
    print(f"uploading; restarting the server at {RESTART_AT:.0%}, reloading the page at {RELOAD_AT:.0%} …", flush=True)
    before, started = proxy.sent, time.perf_counter()
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable")
    with MemoryWatch() as memory:
        idle = memory.page_rss
        page.locator("#choose-files").set_input_files(file)  # the browser gets the path, and reads the file itself
        heap = _until(page, metrics, lambda: _share(page) >= RESTART_AT)
        restarted = time.perf_counter()
        machine.restart()
        away = time.perf_counter() - restarted
        heap = max(heap, _until(page, metrics, lambda: _share(page) >= RELOAD_AT))
        page.once("dialog", lambda dialog: dialog.accept())  # the page asks before it leaves an upload alone
        page.reload()
        page.locator("#choose-files").set_input_files(file)
        heap = max(heap, _until(page, metrics, lambda: _arrived(page)))
    return {
        "interrupted_seconds": time.perf_counter() - started,
        "server_away_seconds": away,
        "sent_again_mib": (proxy.sent - before - file.stat().st_size) / MIB,
        "page_idle_rss_mib": idle,
        "page_rss_mib": memory.page_rss,
        "page_private_mib": memory.page_private,
        "page_js_heap_mib": heap,
        "chromium_pss_mib": memory.all_pss,
    }


def _known_again(page: Page, proxy: CountingProxy, file: Path) -> dict[str, float]:
    print("choosing the same file again …", flush=True)
    page.reload()
    before, started = proxy.sent, time.perf_counter()
    page.locator("#choose-files").set_input_files(file)
    page.locator("#uploads").get_by_text("already in the library", exact=True).wait_for()
    return {
        "known_again_seconds": time.perf_counter() - started,
        "known_again_mib": (proxy.sent - before) / MIB,
    }


def _whole(page: Page, file: Path) -> float:
    print("uploading another one without interruption …", flush=True)
    page.reload()
    started = time.perf_counter()
    page.locator("#choose-files").set_input_files(file)
    eventually(lambda: _arrived(page), _LONGEST_SECONDS)
    return time.perf_counter() - started


def _by_command(fleet: Fleet, url: str, file: Path) -> float:
    print("and a third one by the command line …", flush=True)
    key = json.loads((fleet.data / "cli.json").read_text())["api_key"]
    environment = {**os.environ, "COMFYFLEET_URL": url, "COMFYFLEET_API_KEY": key}
    words = [sys.executable, "-m", "comfyfleet", "assets", "add", str(file), "--json"]
    started = time.perf_counter()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    _expect(done.returncode == 0, f"the command ended with {done.returncode}: {done.stderr[-1000:]}")
    return time.perf_counter() - started


def _until(page: Page, metrics: CDPSession, is_so: Callable[[], bool]) -> float:
    """Wait; return the largest heap of the page's scripts meanwhile, in MiB. What a worker has is not in it."""
    heap, deadline = 0.0, time.monotonic() + _LONGEST_SECONDS
    while not is_so():
        _expect(time.monotonic() < deadline, "the upload takes too long")
        found = {one["name"]: one["value"] for one in metrics.send("Performance.getMetrics")["metrics"]}
        heap = max(heap, found["JSHeapUsedSize"] / MIB)
        page.wait_for_timeout(200)
    return heap


def _share(page: Page) -> float:
    return float(page.locator("#uploads progress").evaluate("bar => bar.value"))


def _arrived(page: Page) -> bool:
    state = page.locator("#uploads [data-part=state]").inner_text()
    _expect(state != "failed", page.locator("#uploads").inner_text())
    return state == "in the library"


def _check(fleet: Fleet, cache: Path, sha256: str, size: int) -> None:
    """Look whether the library has the file, and whether the stored bytes are right."""
    asset = fleet.get(f"/api/assets/{sha256}")
    _expect(asset["size"] == size, f"the library has {asset['size']} bytes")
    stored = [
        path for path in (cache / "data" / "objects").rglob("*") if path.is_file() and path.stat().st_size == size
    ]
    _expect(len(stored) == 1, f"{len(stored)} objects have that size")
    with stored[0].open("rb") as file:
        _expect(hashlib.file_digest(file, "sha256").hexdigest() == sha256, "other bytes are stored")


def _forget(fleet: Fleet, sha256: str) -> None:
    fleet.http.delete(f"/api/assets/{sha256}").raise_for_status()


def _make_file(path: Path, size: int) -> str:
    """Write a file of holes and of seeded random blocks between them; return its digest."""
    blocks = random.Random(path.name)  # noqa: S311 - the same bytes in each run
    with path.open("wb") as file:
        file.truncate(size)
        for start in range(0, size, _BLOCK_EVERY):
            file.seek(start)
            file.write(blocks.randbytes(min(MIB, size - start)))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _browser() -> Iterator[Browser]:
    executable = find_chromium()
    _expect(executable is not None, "no Chromium was found: install one (apt-get install chromium)")
    with chromium(executable or "") as browser:
        yield browser


def _signed_in(browser: Browser, fleet: Fleet, url: str) -> Page:
    """Return the page of assets as an operator sees it, through the proxy."""
    once = fleet.post("/api/tenants/local/users", {"email": _EMAIL, "role": "operator"})["one_time_password"]
    context = browser.new_context(base_url=url)
    context.set_default_timeout(120_000)
    forms: list[tuple[str, dict[str, str | float | bool]]] = [
        ("/sign-in", {"email": _EMAIL, "password": once}),
        ("/password", {"current": once, "new": _PASSWORD}),
        ("/sign-in", {"email": _EMAIL, "password": _PASSWORD}),
    ]
    for path, form in forms:
        answer = context.request.post(path, form=form, headers={"Sec-Fetch-Site": "same-origin"})
        _expect(answer.ok, f"{path} answered {answer.status}")
    page = context.new_page()
    page.goto(_PAGE)
    return page


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise BenchmarkFailed(otherwise, hint="Walk through the page by hand.")


if __name__ == "__main__":
    sys.exit(main())
