"""The verbs of effects."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.effects import check_overrides, configurable_properties
from comfyfleet.core.errors import Conflict, NotFound
from comfyfleet.core.properties import Property, Scalar
from comfyfleet.core.workflows import check_slug
from comfyfleet.protocol.api import ConfigurableProperty, EffectView, NewEffect
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.effects import repository
from comfyfleet.server.models import Effect, Workflow
from comfyfleet.server.workflows import repository as workflows
from comfyfleet.server.workflows.service import SlugFixed, not_found, properties_of


class EffectNotFound(NotFound):
    """No such effect, or it is switched off."""

    code = "effect_not_found"


class EffectInUse(Conflict):
    """Jobs were made with the effect."""

    code = "effect_in_use"


class EffectExists(Conflict):
    """The slug is taken."""

    code = "effect_exists"


async def find_active(session: AsyncSession, slug: str) -> Effect:
    """Return an effect that the public can run; raise `EffectNotFound`."""
    effect = await repository.by_slug(session, slug)
    if effect is None or not effect.is_active or not effect.workflow.is_active:
        raise _not_found(slug)
    return effect


async def find_test(session: AsyncSession, slug: str) -> Effect:
    """Return the effect behind the test runs of a workflow, by its own slug."""
    effect = await repository.by_slug(session, slug)
    if effect is None or not effect.is_test:
        raise _not_found(slug)
    return effect


async def effect_for_tests(session: AsyncSession, workflow: Workflow) -> Effect:
    """Return the effect behind a workflow's test runs: it costs nothing, and no list shows it. Made on demand."""
    slug = f"test-{workflow.slug}"[:64]
    known = await repository.test_effect(session, workflow.id)
    if known is not None:
        return known
    if await repository.by_slug(session, slug) is not None:
        slug = f"test-{workflow.id}"
    name = f"Test of {workflow.name}"
    effect = Effect(slug=slug, name=name, description="", workflow=workflow, property_overrides={})
    effect.credits_cost, effect.is_active, effect.is_test, effect.position = 0, False, True, 0
    await repository.insert(session, effect)
    return effect


async def create(session: AsyncSession, principal: Principal, new: NewEffect) -> Effect:
    """Make an effect on a workflow, as the last in the catalogue."""
    check_slug(new.slug)
    if await repository.by_slug(session, new.slug) is not None:
        raise EffectExists(f"There is an effect '{new.slug}' already.", hint="Choose another slug.")
    effect = Effect(slug=new.slug, position=await repository.last_position(session) + 1)
    _assign(effect, new, await _workflow(session, new.workflow))
    await repository.insert(session, effect)
    await audit.record(session, principal, "effect.create", effect.slug)
    return effect


async def replace(session: AsyncSession, principal: Principal, slug: str, new: NewEffect) -> Effect:
    """Change an effect; jobs that were submitted keep their values and cost."""
    if new.slug != slug:
        raise SlugFixed("An effect's slug cannot be changed.", hint=f"Use the slug '{slug}', or create a new one.")
    effect = await find(session, slug)
    _assign(effect, new, await _workflow(session, new.workflow))
    await audit.record(session, principal, "effect.replace", slug)
    return effect


async def find(session: AsyncSession, slug: str) -> Effect:
    """Return an effect, active or not; raise `EffectNotFound`."""
    effect = await repository.by_slug(session, slug.replace("\x00", ""))
    if effect is None or effect.is_test:
        raise _not_found(slug)
    return effect


async def set_active(session: AsyncSession, principal: Principal, slug: str, *, is_active: bool) -> Effect:
    """Put an effect into the catalogue, or take it out; jobs that were submitted go on."""
    effect = await find(session, slug)
    if effect.is_active != is_active:
        effect.is_active = is_active
        await audit.record(session, principal, f"effect.{'activate' if is_active else 'deactivate'}", effect.slug)
    return effect


async def order(session: AsyncSession, principal: Principal, slugs: list[str]) -> None:
    """Put these effects first in the catalogue, in this order; the others follow as they did."""
    effects = [await find(session, slug) for slug in dict.fromkeys(slugs)]
    rest = [effect for effect in await repository.in_order(session) if effect not in effects]
    for position, effect in enumerate([*effects, *rest]):
        effect.position = position
    await audit.record(session, principal, "effect.order", "effects", {"first": [one.slug for one in effects]})


async def move(session: AsyncSession, principal: Principal, slug: str, by: int) -> None:
    """Move an effect by so many places in the catalogue: down, or up when negative."""
    effect = await find(session, slug)
    slugs = [one.slug for one in await repository.in_order(session)]
    place = slugs.index(effect.slug)
    slugs.insert(max(0, place + by), slugs.pop(place))
    await order(session, principal, slugs)


async def remove(session: AsyncSession, principal: Principal, slug: str) -> None:
    """Delete an effect that no job was made with; raise `EffectInUse` for another."""
    effect = await find(session, slug)
    if (await repository.run_counts(session, [effect.id])).get(effect.id):
        raise EffectInUse(f"Jobs were made with the effect '{slug}'.", hint="Make it inactive instead.")
    await repository.delete_effect(session, effect)
    await audit.record(session, principal, "effect.delete", slug)


def public_view(effect: Effect) -> EffectView:
    """Return what the public may know of an effect."""
    configurable = configurable_properties(properties_of(effect.workflow), effect.property_overrides)
    return EffectView(
        id=effect.id,
        name=effect.name,
        slug=effect.slug,
        description=effect.description,
        credits_cost=effect.credits_cost,
        preview_url=preview_url(effect),
        preview_type=effect.preview_type,
        output_mime_type=effect.workflow.output_mime_type,
        configurable_properties=[_configurable(prop, default) for prop, default in configurable],
    )


def preview_url(effect: Effect) -> str | None:
    """Return where an effect's preview is: our own copy, or the address that was given."""
    return f"/effects/{effect.slug}/preview" if effect.preview_key else effect.preview_url


def _configurable(prop: Property, default: Scalar | None) -> ConfigurableProperty:
    return ConfigurableProperty(
        key=prop.key,
        type=prop.type,
        label=prop.label or prop.key.replace("_", " ").capitalize(),
        help=prop.help,
        default=default,
        minimum=prop.minimum,
        maximum=prop.maximum,
        choices=list(prop.choices),
        required=prop.required or prop.is_primary_input,
        is_primary_input=prop.is_primary_input,
    )


def _assign(effect: Effect, new: NewEffect, workflow: Workflow) -> None:
    effect.name = new.name
    effect.description = new.description
    effect.workflow = workflow
    effect.property_overrides = dict(check_overrides(properties_of(workflow), new.property_overrides))
    effect.credits_cost = new.credits_cost
    effect.is_active = new.is_active
    effect.preview_url = new.preview_url


async def _workflow(session: AsyncSession, slug: str) -> Workflow:
    workflow = await workflows.by_slug(session, slug)
    if workflow is None:
        raise not_found(slug)
    return workflow


def _not_found(slug: str) -> EffectNotFound:
    return EffectNotFound(f"There is no effect '{slug[:80]}'.", hint="List them with `comfyfleet effects list`.")
