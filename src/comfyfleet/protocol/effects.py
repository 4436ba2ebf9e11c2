"""Wire models of what operators do with effects, beyond those of `api`."""

from pydantic import BaseModel, Field

from comfyfleet.protocol.api import Scalar, Slug, Strict


class EffectAdminView(BaseModel):
    """An effect as an operator sees it; `run_count` counts all its jobs."""

    name: str
    slug: str
    description: str
    workflow: str
    property_overrides: dict[str, Scalar]
    credits_cost: int
    is_active: bool
    position: int
    preview_url: str | None
    preview_type: str | None
    run_count: int


class EffectAdminPage(BaseModel):
    """A page of effects in the catalogue's order; `total` counts all that fit."""

    items: list[EffectAdminView]
    total: int


class EffectOrder(Strict):
    """The effects that come first in the catalogue, in this order."""

    slugs: list[Slug] = Field(min_length=1, max_length=1000)


class EffectState(Strict):
    """Whether an effect is in the catalogue."""

    is_active: bool
