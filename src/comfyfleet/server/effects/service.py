"""The verbs of effects."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.effects import check_overrides, configurable_properties
from comfyfleet.core.errors import Conflict, NotFound
from comfyfleet.core.properties import Property, Scalar
from comfyfleet.core.workflows import check_slug
from comfyfleet.protocol.api import ConfigurableProperty, EffectView, NewEffect
from comfyfleet.server.effects import repository
from comfyfleet.server.models import Effect, Workflow
from comfyfleet.server.workflows import repository as workflows
from comfyfleet.server.workflows.service import SlugFixed, not_found, properties_of


class EffectNotFound(NotFound):
    """No such effect, or it is switched off."""

    code = "effect_not_found"


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
    effect = Effect(slug=slug, name=workflow.name, description="", workflow=workflow, property_overrides={})
    effect.credits_cost, effect.is_active, effect.is_test, effect.position = 0, False, True, 0
    await repository.insert(session, effect)
    return effect


async def create(session: AsyncSession, new: NewEffect) -> Effect:
    """Make an effect on a workflow."""
    check_slug(new.slug)
    if await repository.by_slug(session, new.slug) is not None:
        raise EffectExists(f"There is an effect '{new.slug}' already.", hint="Choose another slug.")
    effect = Effect(slug=new.slug)
    _assign(effect, new, await _workflow(session, new.workflow))
    await repository.insert(session, effect)
    return effect


async def replace(session: AsyncSession, slug: str, new: NewEffect) -> Effect:
    """Change an effect; jobs that were submitted keep their values and cost."""
    if new.slug != slug:
        raise SlugFixed("An effect's slug cannot be changed.", hint=f"Use the slug '{slug}', or create a new one.")
    effect = await repository.by_slug(session, slug)
    if effect is None or effect.is_test:
        raise _not_found(slug)
    _assign(effect, new, await _workflow(session, new.workflow))
    return effect


def public_view(effect: Effect) -> EffectView:
    """Return what the public may know of an effect."""
    configurable = configurable_properties(properties_of(effect.workflow), effect.property_overrides)
    return EffectView(
        id=effect.id,
        name=effect.name,
        slug=effect.slug,
        description=effect.description,
        credits_cost=effect.credits_cost,
        preview_url=effect.preview_url,
        output_mime_type=effect.workflow.output_mime_type,
        configurable_properties=[_configurable(prop, default) for prop, default in configurable],
    )


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
