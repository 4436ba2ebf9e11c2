"""The dashboard: what needs attention first, how each fleet stands, and one of them over time."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.attention import Limits, Matter
from comfyfleet.core.series import MOST_POINTS, MetricsRange
from comfyfleet.server.auth.dependencies import Transaction, Viewer, WiringDep, Words
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.fleets.overview import FleetOverview, overviews
from comfyfleet.server.metrics.attention import find_attention
from comfyfleet.server.metrics.model_needs import ModelNeeds
from comfyfleet.server.metrics.routes import KnownNeeds, LimitsDep
from comfyfleet.server.metrics.series import series_of
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.admin import render_admin
from comfyfleet.web.series_words import charts_of, columns_of

router = APIRouter(prefix="/admin", include_in_schema=False)

_ROWS: Final = {MetricsRange.HOUR: 12, MetricsRange.SIX_HOURS: 12, MetricsRange.DAY: 24, MetricsRange.WEEK: 28}
"""Lines of the table, each of a length that people know."""

_REFRESH_SECONDS: Final = {
    MetricsRange.HOUR: 10,
    MetricsRange.SIX_HOURS: 30,
    MetricsRange.DAY: 120,
    MetricsRange.WEEK: 600,
}
"""A series of a week takes a while to gather, and nobody sees ten seconds of it."""

_PAGES: Final = {
    Matter.NO_WORKER: "/admin/workers?fleet={fleet}",
    Matter.WORKER_REFUSED: "/admin/workers?fleet={fleet}",
    Matter.WORKERS_LOST: "/admin/workers?status=lost&fleet={fleet}",
    Matter.JOBS_WAIT_LONG: "/admin/jobs?status=queued&fleet={fleet}",
    Matter.JOBS_FAIL: "/admin/jobs?status=failed&fleet={fleet}",
    Matter.JOBS_FAILED: "/admin/jobs?status=failed&fleet={fleet}",
    Matter.NO_BUNDLE: "/admin/comfyui/fleets/{fleet}/coverage",
    Matter.ASSETS_QUARANTINED: "/admin/comfyui/assets?only=quarantined",
}


@router.get("")
async def show_dashboard(
    request: Request,
    viewer: Viewer,
    session: Transaction,
    wiring: WiringDep,
    needs: KnownNeeds,
    limits: LimitsDep,
    fleet: Words = "",
    range: Words = MetricsRange.HOUR,  # noqa: A002 - the name in the address
) -> Response:
    """Show the dashboard."""
    known = await overviews(session)
    chosen = _chosen(known, fleet, wiring.settings.stage)
    context = await _now(session, wiring, needs, limits, known)
    if chosen is not None:
        context |= await _over_time(session, wiring, chosen, _range(range))
    return render_admin(request, viewer, "dashboard/dashboard.html", context | {"chosen": chosen})


@router.get("/now")
async def show_now(
    request: Request, viewer: Viewer, session: Transaction, wiring: WiringDep, needs: KnownNeeds, limits: LimitsDep
) -> Response:
    """Show the part of the dashboard that changes all the time."""
    context = await _now(session, wiring, needs, limits, await overviews(session))
    return render_admin(request, viewer, "dashboard/now.html", context)


@router.get("/series")
async def show_series(
    request: Request,
    viewer: Viewer,
    session: Transaction,
    wiring: WiringDep,
    fleet: Words = "",
    range: Words = MetricsRange.HOUR,  # noqa: A002 - the name in the address
) -> Response:
    """Show the numbers behind the charts."""
    chosen = _chosen(await overviews(session), fleet, wiring.settings.stage)
    if chosen is None:
        raise fleets.FleetNotFound("There is no fleet.", hint="Make the first one.")
    context = await _over_time(session, wiring, chosen, _range(range))
    return render_admin(request, viewer, "dashboard/series.html", context)


async def _now(
    session: AsyncSession, wiring: Wiring, needs: ModelNeeds, limits: Limits, known: Sequence[FleetOverview]
) -> dict[str, Any]:
    found = await find_attention(session, known, needs, limits, wiring.clock())
    return {
        "findings": [(finding, _PAGES[finding.matter].format(fleet=finding.fleet)) for finding in found],
        "fleets": known,
    }


async def _over_time(
    session: AsyncSession, wiring: Wiring, chosen: FleetOverview, range_: MetricsRange
) -> dict[str, Any]:
    fleet = await fleets.find(session, chosen.stage, chosen.slug)
    now = wiring.clock()
    series = await series_of(session, fleet, range_, points=MOST_POINTS, now=now)
    table = await series_of(session, fleet, range_, points=_ROWS[range_], now=now)
    return {
        "label": fleets.label(fleet),
        "range": range_.value,
        "ranges": [one.value for one in MetricsRange],
        "charts": charts_of(series),
        "columns": columns_of(series),
        "step_seconds": series.step_seconds,
        "refresh_seconds": _REFRESH_SECONDS[range_],
        "table": table,
    }


def _chosen(known: Sequence[FleetOverview], wanted: str, stage: str) -> FleetOverview | None:
    """Return the fleet that is looked at: the one that was asked for, or else the first, of our own stage if any."""
    by_label = {f"{one.stage}/{one.slug}": one for one in known}
    ours = (one for one in known if one.stage == stage)
    return by_label.get(wanted) or next(ours, None) or next(iter(known), None)


def _range(wanted: str) -> MetricsRange:
    return MetricsRange(wanted) if wanted in set(MetricsRange) else MetricsRange.HOUR
