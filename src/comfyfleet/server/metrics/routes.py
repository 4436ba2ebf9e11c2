"""Metrics over HTTP, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from comfyfleet.core.attention import Limits
from comfyfleet.core.series import MOST_POINTS, MetricsRange
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.metrics import AttentionView, FleetSeries
from comfyfleet.server.auth.dependencies import Transaction, Viewer, WiringDep
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.fleets.overview import overviews
from comfyfleet.server.metrics.attention import find_attention
from comfyfleet.server.metrics.model_needs import ModelNeeds
from comfyfleet.server.metrics.series import series_of

router = APIRouter(prefix="/api/metrics", tags=["metrics"])


def model_needs_of(request: Request) -> ModelNeeds:
    """Return what this process remembers of the needs of workflows."""
    needs: ModelNeeds = request.app.state.model_needs
    return needs


def limits_of(wiring: WiringDep) -> Limits:
    """Return from where on something needs attention."""
    return Limits(oldest_seconds=wiring.settings.attention_oldest_seconds)


KnownNeeds = Annotated[ModelNeeds, Depends(model_needs_of)]
LimitsDep = Annotated[Limits, Depends(limits_of)]


@router.get("/fleets/{stage}/{slug}")
async def show_series(
    stage: str,
    slug: str,
    _viewer: Viewer,
    session: Transaction,
    wiring: WiringDep,
    range_: Annotated[MetricsRange, Query(alias="range")] = MetricsRange.HOUR,
    points: Annotated[int, Query(ge=1, le=MOST_POINTS)] = MOST_POINTS,
) -> Envelope[FleetSeries]:
    """Show how a fleet stood over time, in about so many equal steps."""
    fleet = await fleets.find(session, stage, slug)
    return Envelope(data=await series_of(session, fleet, range_, points=points, now=wiring.clock()))


@router.get("/attention")
async def show_attention(
    _viewer: Viewer, session: Transaction, wiring: WiringDep, needs: KnownNeeds, limits: LimitsDep
) -> Envelope[list[AttentionView]]:
    """Show what needs attention, the most urgent first."""
    found = await find_attention(session, await overviews(session), needs, limits, wiring.clock())
    return Envelope(data=[AttentionView.model_validate(finding, from_attributes=True) for finding in found])
