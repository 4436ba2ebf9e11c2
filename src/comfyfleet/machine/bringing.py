"""Brings the objects of a plan into the content store: verified, and durable before they count."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from comfyfleet.cloud.local.disk import sync
from comfyfleet.cloud.ports import ObjectSource
from comfyfleet.core.bundles import Entry
from comfyfleet.machine import objects
from comfyfleet.machine.fetch import Fetch, Fetcher
from comfyfleet.machine.fetch.partial import disk_errors
from comfyfleet.machine.options import Options
from comfyfleet.machine.places import Places
from comfyfleet.machine.plan import SMALL_BYTES, Facts, Plan
from comfyfleet.machine.report import Report, size_text
from comfyfleet.machine.switch import show


def bring(
    places: Places,
    source: ObjectSource,
    facts: Facts,
    plan: Plan,
    options: Options,
    report: Report,
    early: "Early | None" = None,
) -> int:
    """Fetch what a plan lacks and return how many bytes that were; raise as `Fetcher.run`, and what `early` raises."""
    report.expect(plan.fetch_bytes)
    arrivals = _Arrivals(places, plan, report, early)
    fetcher = Fetcher(
        source,
        places.partial,
        connections=options.connections,
        on_bytes=report.count,
        on_whole=arrivals.on_whole,
    )
    arrivals.begin(on_problem=fetcher.stop)
    try:
        fetcher.run(Fetch(entry.sha256, entry.asset_s3_key, facts.sizes[entry.sha256]) for entry in plan.fetch)
    finally:
        arrivals.settle()
    return plan.fetch_bytes


def adopt_standing(places: Places, plan: Plan, report: Report) -> bool:
    """Read files that stand at their path already, and keep those that are right; return whether any was."""
    is_any_right = False
    for entry in plan.adopt:
        report.say(f"looking whether {entry.target_path} is right already")
        is_any_right |= objects.adopt(places, entry.sha256, places.target_of(entry.target_path))
    return is_any_right


@dataclass(frozen=True)
class Early:
    """What is done, beside the fetching of all the rest, as soon as these digests are here."""

    digests: frozenset[str]
    action: Callable[[], None]


class _Arrivals:
    """What has come. Small files become durable together; large ones of a first bundle each by itself."""

    def __init__(self, places: Places, plan: Plan, report: Report, early: Early | None) -> None:
        self._places = places
        self._plan = plan
        self._report = report
        self._early = early
        self._missing_early = early.digests & {entry.sha256 for entry in plan.fetch} if early else frozenset()
        self._waiting: list[tuple[str, Path]] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._on_problem: Callable[[BaseException], None] = lambda _error: None

    def begin(self, on_problem: Callable[[BaseException], None]) -> None:
        """Do what is early at once, if all of it is here already."""
        self._on_problem = on_problem
        if self._early is not None and not self._missing_early:
            self._start_early()

    def on_whole(self, fetch: Fetch, path: Path) -> None:
        """Take in a verified object; called by the fetching threads."""
        if fetch.size > SMALL_BYTES:
            self._report.say(f"verified {fetch.key} ({size_text(fetch.size)})")
        if self._plan.is_first and fetch.size > SMALL_BYTES and not self._is_early(fetch):
            with disk_errors():
                sync(path)
            objects.take_in(self._places, fetch.sha256, path)
            for entry in self._plan.place:
                if entry.sha256 == fetch.sha256:
                    self._show(entry)
            return
        with self._lock:
            self._waiting.append((fetch.sha256, path))
            is_last_early = self._missing_early == {fetch.sha256}
            self._missing_early -= {fetch.sha256}
        if is_last_early:
            self._start_early()

    def settle(self) -> None:
        """Wait for what is done early, and take in what waits."""
        if self._thread is not None:
            self._thread.join()
        self._take_in_waiting()

    def _is_early(self, fetch: Fetch) -> bool:
        return self._early is not None and fetch.sha256 in self._early.digests

    def _start_early(self) -> None:
        self._thread = threading.Thread(target=self._do_early, name="early", daemon=True)
        self._thread.start()

    def _do_early(self) -> None:
        try:
            self._take_in_waiting()
            if self._early is not None:
                self._early.action()
        except BaseException as error:  # noqa: BLE001 - the fetch that goes on beside is ended with it
            self._on_problem(error)

    def _take_in_waiting(self) -> None:
        with self._lock:
            whole, self._waiting = self._waiting, []
        if not whole:
            return
        objects.sync_all(self._places.store)
        for sha256, path in whole:
            objects.take_in(self._places, sha256, path)

    def _show(self, entry: Entry) -> None:
        """Put a file in place where nothing stands: no bundle was whole before, so nothing is harmed."""
        target = self._places.target_of(entry.target_path)
        if not entry.action.is_extract and not os.path.lexists(target):
            show(self._places, entry)
