"""What a bundle lacks for the workflows of a fleet."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.protocol.bundles import CoverageView, Where
from comfyfleet.server.bundles import views
from comfyfleet.server.fleets import repository
from comfyfleet.server.models import Bundle, Fleet
from comfyfleet.server.workflows import analysis


async def coverage_of(session: AsyncSession, fleet: Fleet, bundle: Bundle | None) -> CoverageView:
    """Compare what a fleet's active workflows need with a bundle, loaded with its entries, or with nothing."""
    graphs = await repository.graphs_of(session, fleet.id)
    library = await analysis.library(session)
    bundled = [analysis.known(entry) for entry in views.entries_of(bundle)] if bundle else []
    # Some hundred graphs are read here, for which the event loop shall not wait.
    found = await asyncio.to_thread(analysis.examine, graphs, library, bundled)
    return CoverageView(
        fleet=f"{fleet.stage}/{fleet.slug}",
        bundle=views.reference(bundle) if bundle else None,
        workflows=list(graphs),
        models=found.models,
        packages=found.packages,
        lacking=found.lacking({Where.BUNDLE}),
    )
