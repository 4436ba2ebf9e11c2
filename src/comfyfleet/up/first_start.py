"""What a new installation gets: an administrator, the local fleet, and effects to try."""

import logging
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.cloud.local.disk import write_private
from comfyfleet.core.errors import Unavailable
from comfyfleet.core.roles import Role
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.effects import previews
from comfyfleet.server.effects import repository as effect_repository
from comfyfleet.server.effects import service as effects
from comfyfleet.server.fleets import repository as fleet_repository
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.migrate import migrate
from comfyfleet.server.models import Tenant
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.tenants import repository as tenant_repository
from comfyfleet.server.tenants import service as tenants
from comfyfleet.server.wiring import Wiring, wire
from comfyfleet.server.workflows import repository as workflow_repository
from comfyfleet.server.workflows import service as workflows
from comfyfleet.up.seed import seed_effects, seed_preview, seed_workflows

log = logging.getLogger(__name__)

ADMIN_EMAIL: Final = "admin@localhost"
LOCAL_TENANT: Final = "local"
FIRST_CREDITS: Final = 1000


async def prepare(wiring: Wiring, fleet_slug: str) -> str | None:
    """Make what is missing. Return the administrator's one-time password at the very first start, else None."""
    async with wiring.sessions.begin() as session:
        password = await first_administrator(session)
        machine = await _this_machine(session)
    await _seed_workflows(wiring, machine)
    async with wiring.sessions.begin() as session:
        await _seed_fleet(session, machine, wiring.settings.stage, fleet_slug)
        without_preview = await _seed_effects(session, machine)
    await _seed_previews(wiring, machine, without_preview)
    return password


async def bring_up_to_date(settings: ServerSettings, administrator: str | None) -> str | None:
    """Migrate a database; return the one-time password of the administrator if that one had to be made."""
    wiring = wire(settings)
    try:
        await migrate(wiring.engine)
        if administrator is None:
            return None
        async with wiring.sessions.begin() as session:
            return await first_administrator(session, administrator)
    finally:
        await wiring.engine.dispose()


async def new_cli_key(wiring: Wiring) -> str:
    """Make a key for this machine's command line, in the place of the one that the last start made."""
    async with wiring.sessions.begin() as session:
        tenant = await _local_tenant(session)
        for key in await tenant_repository.keys(session, tenant.id):
            if key.name == _CLI_KEY and key.revoked_at is None:
                await tenants.revoke_key(session, tenant, key.id, wiring.clock())
        _, token = await tenants.create_key(session, tenant, _CLI_KEY, role=Role.OPERATOR)
    return token


_CLI_KEY: Final = "command line of this machine"


def write_cli_file(path: Path, url: str, api_key: str) -> None:
    """Tell the command line where we are and by which key it may come in; only this user can read it."""
    write_private(path, {"url": url, "api_key": api_key})


async def first_administrator(session: AsyncSession, email: str = ADMIN_EMAIL) -> str | None:
    """Make the first operator, unless there is anybody; return the one-time password."""
    if await tenant_repository.any_user(session) is not None:
        return None
    tenant = await tenants.create_tenant(session, LOCAL_TENANT, "This machine")
    await credit_service.grant(session, tenant.id, FIRST_CREDITS, "To begin with")
    _, password = await tenants.create_user(session, tenant, email, role=Role.OPERATOR)
    return password


async def _local_tenant(session: AsyncSession) -> Tenant:
    tenant = await tenant_repository.tenant_by_slug(session, LOCAL_TENANT)
    return tenant or await tenants.create_tenant(session, LOCAL_TENANT, "This machine")


async def _seed_workflows(wiring: Wiring, machine: Principal) -> None:
    async with wiring.sessions.begin() as session:
        present = set(await workflow_repository.by_slugs(session, [new.slug for new in seed_workflows()]))
    for new in seed_workflows():
        if new.slug not in present:
            await workflows.import_workflow(wiring, machine, new)


async def _this_machine(session: AsyncSession) -> Principal:
    """Return who does all this, in the audit: the machine itself, in the place of an operator."""
    tenant = await _local_tenant(session)
    return Principal(tenant_id=tenant.id, role=Role.OPERATOR, key_name="first start")


async def _seed_fleet(session: AsyncSession, machine: Principal, stage: str, fleet_slug: str) -> None:
    if await fleet_repository.by_slug(session, stage, fleet_slug) is None:
        fleet = await fleets.create(session, machine, stage, fleet_slug, "The fleet of this machine")
        await fleets.assign(session, machine, fleet, [new.slug for new in seed_workflows()])


async def _seed_effects(session: AsyncSession, machine: Principal) -> list[str]:
    """Make the effects that are missing; return which have no preview."""
    present = [await effect_repository.by_slug(session, new.slug) for new in seed_effects()]
    for new, effect in zip(seed_effects(), present, strict=True):
        if effect is None:
            await effects.create(session, machine, new)
    shown = {effect.slug for effect in present if effect is not None and effects.preview_url(effect)}
    return [new.slug for new in seed_effects() if new.slug not in shown]


async def _seed_previews(wiring: Wiring, machine: Principal, slugs: list[str]) -> None:
    try:
        for slug in slugs:
            if (preview := seed_preview(slug)) is not None:
                content, content_type = preview
                await previews.store(wiring, machine, slug, content, content_type)
    except Unavailable as error:  # the next start tries again
        log.warning("the first effects have no preview yet: %s", error)
