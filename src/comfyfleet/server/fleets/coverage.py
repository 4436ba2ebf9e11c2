"""What a bundle lacks for the workflows of a fleet."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.protocol.bundles import CoverageView, Where
from comfyfleet.server.bundles import views
from comfyfleet.server.fleets import repository
from comfyfleet.server.models import Bundle, Fleet
from comfyfleet.server.workflows import analysis


async def coverage_of(session: AsyncSession, fleet: Fleet, bundle: Bundle | None) -> CoverageView:
    """Compare what a fleet's active workflows need with a bundle, loaded with its entries, or with nothing."""
    graphs = await repository.graphs_of(session, fleet.id)
    bundled = [analysis.known(entry) for entry in views.entries_of(bundle)] if bundle else []
    found = await analysis.examine(session, graphs, bundled)
    return CoverageView(
        fleet=f"{fleet.stage}/{fleet.slug}",
        bundle=views.reference(bundle) if bundle else None,
        workflows=list(graphs),
        models=found.models,
        packages=found.packages,
        lacking=found.lacking({Where.BUNDLE}),
    )
