"""What the forms of verbs send. Everything that is left out has the command line's default."""

import json
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from comfyfleet import names
from comfyfleet.core.properties import Scalar
from comfyfleet.ops.bake.plan import DEFAULT_KEEP
from comfyfleet.ops.bake.plan import DEFAULT_TYPES as BAKE_TYPES
from comfyfleet.ops.dev_gpu import DEFAULT_TYPES as DEV_TYPES
from comfyfleet.ops.dev_gpu import MAX_HOURS

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^[^\x00]*$")]
_MAX_VALUES: Final = 2_000_000


class VerbForm(BaseModel):
    """A verb's form. Fields that it does not have, such as a plan's token, are somebody else's."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class LaunchForm(VerbForm):
    """A dev node. `types` are separated by blanks or commas, and tried in turn."""

    hours: int = Field(default=8, ge=1, le=MAX_HOURS)
    types: Text = " ".join(DEV_TYPES)
    image_id: Text = ""
    cidr: Text = ""
    accepts_range: bool = False
    keeps_disk: bool = False


class StopForm(VerbForm):
    """A dev node to end, or only to stop."""

    instance_id: Text
    keeps_disk: bool = False


class ApplyForm(VerbForm):
    """A bundle for a machine."""

    instance_id: Text
    bundle: Text


class BakeForm(VerbForm):
    """An image with a bundle in it."""

    bundle: Text
    keep: int = Field(default=DEFAULT_KEEP, ge=1, le=100)
    types: Text = " ".join(BAKE_TYPES)
    base: Text = names.BASE_IMAGE_PARAMETER


class RollForm(VerbForm):
    """Machines of the fleet's present image. The first has to render `workflow` with `values`, unless `skips_test`."""

    workflow: Text = ""
    values: dict[str, Scalar] = Field(default_factory=dict, max_length=200)
    skips_test: bool = False
    canary_seconds: int = Field(default=1200, ge=60, le=172_800)
    min_healthy: int = Field(default=90, ge=0, le=100)
    warmup: int = Field(default=300, ge=0, le=86_400)
    back_to: Text = ""

    @field_validator("values", mode="before")
    @classmethod
    def _of_json(cls, given: Any) -> Any:
        """Read what a form can only send as a text."""
        if not isinstance(given, str):
            return given
        if len(given) > _MAX_VALUES:
            raise ValueError("the values are too long")
        return json.loads(given or "{}")


def words_of(types: str) -> tuple[str, ...]:
    """Return machine types that are separated by blanks or commas."""
    return tuple(types.replace(",", " ").split())
