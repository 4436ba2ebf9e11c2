"""`comfyfleet fleets metrics` and `comfyfleet attention`."""

from typing import Annotated, Final

import typer

from comfyfleet import names
from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.fleet_bundles import Slug, Stage
from comfyfleet.cli.options import JsonFlag
from comfyfleet.cli.output import print_json, print_table, say
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.metrics import MetricsPlane
from comfyfleet.core.series import MetricsRange
from comfyfleet.core.wording import count_text, number_text, span_text
from comfyfleet.protocol.metrics import FleetPoint, FleetSeries

_ROWS: Final = {
    MetricsRange.HOUR: 12,
    MetricsRange.SIX_HOURS: 12,
    MetricsRange.DAY: 24,
    MetricsRange.WEEK: 28,
}
"""Lines of a table for people, each of a length that people know."""


def metrics(
    context: typer.Context,
    slug: Slug,
    stage: Stage = names.LOCAL_STAGE,
    range_: Annotated[MetricsRange, typer.Option("--range", help="How far back to look.")] = MetricsRange.HOUR,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in finer steps, and nothing else.")] = False,
) -> None:
    """Show how a fleet stood over time: its queue, its workers, and the jobs that ended."""
    with _open(context) as plane:
        series = plane.fleet_series(stage, slug, range_=range_, points=None if as_json else _ROWS[range_])
    if as_json:
        print_json(series)
    else:
        _show(series)


def attention(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="End with 1 when something needs attention.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what needs attention, the most urgent first, and what to do about it."""
    with _open(context) as plane:
        findings = plane.attention()
    if as_json:
        print_json(findings)
    elif findings:
        rows = [(item.severity, item.fleet or "-", item.words, item.advice) for item in findings]
        print_table(("HOW URGENT", "FLEET", "WHAT", "WHAT TO DO"), rows, empty="")
    else:
        say("Nothing needs attention.")
    if check and findings:
        raise typer.Exit(ExitCode.FAILED)


def _show(series: FleetSeries) -> None:
    headers = ("FROM", "QUEUED", "OLDEST", "WORKERS", "CAPACITY", "WANTED", "COMPLETED", "FAILED", "MEDIAN", "95 %")
    print_table(headers, map(_row, series.points), empty="")
    completed, failed = (sum(getattr(point, name) for point in series.points) for name in ("completed", "failed"))
    say(
        f"In {series.range}: {count_text(completed, 'job')} completed, {failed:,} failed. "
        f"One line is {span_text(series.step_seconds)}; a dash means that nothing was measured."
    )


def _row(point: FleetPoint) -> tuple[object, ...]:
    return (
        point.at,
        number_text(point.queued),
        span_text(point.oldest_seconds),
        number_text(point.workers),
        number_text(point.capacity),
        number_text(point.desired),
        point.completed,
        point.failed,
        span_text(point.median_seconds),
        span_text(point.p95_seconds),
    )


def _open(context: typer.Context) -> MetricsPlane:
    return MetricsPlane(find_connection(settings_of(context)))
