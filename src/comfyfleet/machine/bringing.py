"""Brings the objects of a plan into the content store: verified, and durable before they count."""

import os
from pathlib import Path

from comfyfleet.cloud.ports import ObjectSource
from comfyfleet.core.bundles import Entry
from comfyfleet.machine import objects
from comfyfleet.machine.fetch import Fetch, Fetcher
from comfyfleet.machine.options import Options
from comfyfleet.machine.places import Places
from comfyfleet.machine.plan import SMALL_BYTES, Facts, Plan
from comfyfleet.machine.report import Report, size_text
from comfyfleet.machine.switch import place_step, run_step


def bring(places: Places, source: ObjectSource, facts: Facts, plan: Plan, options: Options, report: Report) -> int:
    """Fetch what a plan lacks and return how many bytes that were; raise as `Fetcher.run`."""
    adopted = _adopt(places, plan, report)
    wanted = [entry for entry in plan.fetch if entry.sha256 not in adopted]
    if not wanted:
        return 0
    total = sum(facts.sizes[entry.sha256] for entry in wanted)
    report.expect(total)
    arrivals = _Arrivals(places, plan, report)
    fetcher = Fetcher(
        source,
        places.partial,
        connections=options.connections,
        on_bytes=report.count,
        on_whole=arrivals.on_whole,
    )
    try:
        fetcher.run(Fetch(entry.sha256, entry.asset_s3_key, facts.sizes[entry.sha256]) for entry in wanted)
    finally:
        arrivals.settle()
    return total


def _adopt(places: Places, plan: Plan, report: Report) -> set[str]:
    adopted: set[str] = set()
    for entry in plan.adopt:
        report.say(f"looking whether {entry.target_path} is right already")
        if objects.adopt(places, entry.sha256, places.target_of(entry.target_path)):
            adopted.add(entry.sha256)
    return adopted


class _Arrivals:
    """What has come. Small files become durable together at the end; large ones of a first bundle at once."""

    def __init__(self, places: Places, plan: Plan, report: Report) -> None:
        self._places = places
        self._plan = plan
        self._report = report
        self._waiting: list[tuple[str, Path]] = []

    def on_whole(self, fetch: Fetch, path: Path) -> None:
        """Take in a verified object; called by the fetching threads."""
        if fetch.size > SMALL_BYTES:
            self._report.say(f"verified {fetch.key} ({size_text(fetch.size)})")
        if not self._plan.is_first or fetch.size <= SMALL_BYTES:
            self._waiting.append((fetch.sha256, path))
            return
        objects.sync_file(path)
        objects.take_in(self._places, fetch.sha256, path)
        for entry in self._plan.place:
            if entry.sha256 == fetch.sha256:
                self._show(entry)

    def settle(self) -> None:
        """Make durable, and take in, what waits."""
        if not self._waiting:
            return
        objects.sync_all(self._places.store)
        for sha256, path in self._waiting:
            objects.take_in(self._places, sha256, path)

    def _show(self, entry: Entry) -> None:
        """Put a file in place where nothing stands: no bundle was whole before, so nothing is harmed."""
        target = self._places.target_of(entry.target_path)
        if not entry.action.is_extract and not os.path.lexists(target):
            run_step(self._places, place_step(self._places, entry, None, self._plan))
