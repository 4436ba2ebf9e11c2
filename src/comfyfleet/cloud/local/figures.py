"""Figures of fleets in a file on this disk, for an installation without a cloud. Nothing watches them."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from comfyfleet.cloud.fleet_ports import Alarm

_KEPT: Final = timedelta(days=1)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS figures (series TEXT NOT NULL, at REAL NOT NULL, value REAL NOT NULL);
CREATE INDEX IF NOT EXISTS figures_by_series ON figures (series, at);
CREATE INDEX IF NOT EXISTS figures_by_time ON figures (at);
"""


class DiskFigures:
    """Figures of the last day; see `Figures`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._open() as database:
            database.executescript(_SCHEMA)

    def put(self, namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float], at: datetime) -> None:
        """Keep several figures of one moment, and forget old ones."""
        rows = [(_series(namespace, dimensions, name), at.timestamp(), value) for name, value in values.items()]
        with self._open() as database:
            database.executemany("INSERT INTO figures VALUES (?, ?, ?)", rows)
            database.execute("DELETE FROM figures WHERE at < ?", ((at - _KEPT).timestamp(),))

    def series(
        self, namespace: str, dimensions: Mapping[str, str], metric: str, start: datetime, end: datetime, period: int
    ) -> list[tuple[datetime, float]]:
        """Return the averages of a figure by periods."""
        query = """SELECT CAST(at / :period AS INTEGER) * :period, avg(value) FROM figures
                   WHERE series = :series AND at >= :start AND at < :end GROUP BY 1 ORDER BY 1"""
        bounds = {"start": start.timestamp(), "end": end.timestamp(), "period": period}
        with self._open() as database:
            rows = database.execute(query, {"series": _series(namespace, dimensions, metric), **bounds}).fetchall()
        return [(datetime.fromtimestamp(at, UTC), value) for at, value in rows]

    def alarms(self, names: Sequence[str]) -> list[Alarm]:
        """Return none: what runs on one machine does not sleep, and needs no waking."""
        del names
        return []

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=10)) as database, database:
            yield database


def _series(namespace: str, dimensions: Mapping[str, str], metric: str) -> str:
    return json.dumps([namespace, sorted(dimensions.items()), metric])
