"""What a fleet's charts show, in sentences and in columns of numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from comfyfleet.core.wording import count_text, number_text, span_text
from comfyfleet.protocol.metrics import FleetPoint, FleetSeries

_NOTHING = "Nothing was measured in this time."


@dataclass(frozen=True)
class Chart:
    """One chart: its key, by which a script draws it, its title, and what it shows in a sentence."""

    key: str
    title: str
    words: str


def charts_of(series: FleetSeries) -> list[Chart]:
    """Return the charts of a fleet, in their order; only a fleet in a cloud has one of machines."""
    charts = [
        Chart("queue", "Queue", _queue(series.points)),
        Chart("age", "Longest wait", _age(series.points)),
        Chart("throughput", "Throughput", _throughput(series)),
        Chart("errors", "Errors", _errors(series.points)),
        Chart("durations", "Durations", _durations(series.points)),
        Chart("capacity", "Capacity", _capacity(series.points)),
    ]
    wanted = _known(point.desired for point in series.points)
    return [*charts, Chart("machines", "Machines", _machines(series.points, wanted))] if wanted else charts


def columns_of(series: FleetSeries) -> dict[str, list[float | int | None]]:
    """Return a series as columns, `at` in seconds since 1970, for the script that draws it."""
    columns: dict[str, list[float | int | None]] = {"at": [int(point.at.timestamp()) for point in series.points]}
    for name in FleetPoint.model_fields:
        if name != "at":
            columns[name] = [getattr(point, name) for point in series.points]
    return columns


def _queue(points: Sequence[FleetPoint]) -> str:
    queued = _known(point.queued for point in points)
    if not queued:
        return _NOTHING
    average, most = number_text(sum(queued) / len(queued)), number_text(max(queued))
    return f"{number_text(queued[-1])} queued lately, {average} on average, {most} at most."


def _age(points: Sequence[FleetPoint]) -> str:
    waits = _known(point.oldest_seconds for point in points)
    if not waits:
        return _NOTHING
    if not max(waits):
        return "No job had to wait."
    lately = f"{span_text(round(waits[-1]))} lately, " if waits[-1] else "None waits now, "
    return f"{lately}{span_text(round(max(waits)))} at most."


def _throughput(series: FleetSeries) -> str:
    completed = sum(point.completed for point in series.points)
    hours = series.step_seconds * len(series.points) / 3600
    rate, bar = number_text(completed / hours), span_text(series.step_seconds)
    return f"{count_text(completed, 'job')} completed, {rate} an hour; a bar is {bar}."


def _errors(points: Sequence[FleetPoint]) -> str:
    failed = sum(point.failed for point in points)
    ended = failed + sum(point.completed for point in points)
    return (
        f"{count_text(failed, 'job')} failed, {failed / ended:.1%} of those that ended." if failed else "No job failed."
    )


def _durations(points: Sequence[FleetPoint]) -> str:
    medians, slow = _known(point.median_seconds for point in points), _known(point.p95_seconds for point in points)
    if not medians:
        return "No job was completed."
    lately = f"Lately half took up to {span_text(medians[-1])}, 95 % up to {span_text(slow[-1])}"
    return f"{lately}; at worst {span_text(max(slow))}."


def _capacity(points: Sequence[FleetPoint]) -> str:
    measured = [point for point in points if point.capacity is not None]
    if not measured:
        return _NOTHING
    room = sum(point.capacity or 0 for point in measured)
    if not room:
        return "No worker was there."
    used = sum(point.processing or 0 for point in measured) / room
    room_now = count_text(round(measured[-1].capacity or 0), "job")
    return f"Room for {room_now} at a time lately; {used:.0%} was used on average."


def _machines(points: Sequence[FleetPoint], wanted: list[float]) -> str:
    working = _known(point.workers for point in points)
    lately = f"{count_text(round(wanted[-1]), 'machine')} wanted lately, {number_text(max(wanted))} at most"
    return f"{lately}; {count_text(round(working[-1]), 'worker')} active." if working else f"{lately}."


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
