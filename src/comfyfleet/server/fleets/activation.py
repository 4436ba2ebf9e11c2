"""Pointing a fleet to a bundle."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.core.errors import Conflict
from comfyfleet.protocol.bundles import PointerView
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.bundles import views
from comfyfleet.server.bundles.finding import find
from comfyfleet.server.fleets import repository
from comfyfleet.server.fleets.coverage import coverage_of
from comfyfleet.server.models import Bundle, Fleet, FleetActivation


class CoverageIncomplete(Conflict):
    """The bundle lacks something that the fleet's workflows need."""

    code = "coverage_incomplete"


async def activate(
    session: AsyncSession,
    principal: Principal,
    fleet: Fleet,
    reference: str | None,
    *,
    accept_missing: bool,
    now: datetime,
) -> PointerView:
    """Point a fleet to a bundle, or to none, and keep that in its history. Machines follow when they boot or apply.

    Raises:
        BundleNotFound: There is no such bundle.
        CoverageIncomplete: It lacks something that the fleet's workflows need, which `accept_missing` allows.
    """
    await repository.lock(session, fleet)
    bundle = None if reference is None else await find(session, reference)
    bundle_id = None if bundle is None else bundle.id
    if fleet.active_bundle_id == bundle_id:
        return _pointer(fleet, bundle, [], changed=False)
    missing = await _missing(session, fleet, bundle, accept_missing=accept_missing)
    fleet.active_bundle_id = bundle_id
    fleet.active_bundle_s3_prefix = None if bundle_id is None else names.bundle_prefix(str(bundle_id))
    label = None if bundle is None else views.label(bundle)
    by = principal.actor
    await repository.insert_activation(
        session,
        FleetActivation(fleet_id=fleet.id, bundle_id=bundle_id, bundle=label, accepted_missing=missing, by=by, at=now),
    )
    detail = {"bundle": label, "bundle_id": str(bundle_id) if bundle_id else None, "accepted_missing": missing}
    await audit.record(session, principal, "fleet.activate", f"{fleet.stage}/{fleet.slug}", detail)
    return _pointer(fleet, bundle, missing, changed=True)


async def _missing(session: AsyncSession, fleet: Fleet, bundle: Bundle | None, *, accept_missing: bool) -> list[str]:
    if bundle is None:
        return []
    missing = (await coverage_of(session, fleet, bundle)).lacking
    if missing and not accept_missing:
        raise CoverageIncomplete(
            f"{views.label(bundle)} lacks {len(missing)} things that the workflows of {fleet.stage}/{fleet.slug} need: "
            f"{'; '.join(missing[:10])}{'; …' if len(missing) > 10 else ''}.",
            hint="Make a bundle that has them (comfyfleet bundles create --for-workflow), or accept what is missing.",
        )
    return missing


def _pointer(fleet: Fleet, bundle: Bundle | None, missing: list[str], *, changed: bool) -> PointerView:
    return PointerView(
        fleet=f"{fleet.stage}/{fleet.slug}",
        bundle=views.reference(bundle) if bundle else None,
        prefix=fleet.active_bundle_s3_prefix,
        changed=changed,
        accepted_missing=missing,
    )
