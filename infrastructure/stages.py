"""What differs between stages, read from `stages.toml` and checked."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from comfyfleet import names
from comfyfleet.core.errors import Invalid, NotFound
from comfyfleet.protocol.environment import problems_of

STAGES_FILE: Final = Path(__file__).with_name("stages.toml")

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]
InstanceType = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9]+$")]


class StageUnknown(NotFound):
    """There is no such stage in the file."""

    code = "stage_unknown"


class StageInvalid(Invalid):
    """What the file says of a stage makes no sense."""

    code = "stage_invalid"


class FleetSettings(BaseModel):
    """A fleet's machines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: Slug
    instance_types: tuple[InstanceType, ...] = Field(min_length=1, max_length=40)
    maximum: int = Field(default=2, ge=1, le=500, description="Machines at most.")
    disk_gib: int = Field(default=200, ge=60, le=16384, description="Disk of each machine, for models and outputs.")
    idle_minutes: int = Field(default=15, ge=1, le=1440, description="Empty minutes before the fleet goes to zero.")
    jobs_per_machine: float = Field(default=2, gt=0, description="Open jobs for each machine that the fleet aims at.")
    drain_seconds: int = Field(default=900, ge=30, le=7200, description="Time of a machine that goes to end its job.")


class Stage(BaseModel):
    """A stage: one account and region, its site and its fleets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Slug
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    account: str | None = Field(default=None, pattern=r"^\d{12}$", description="Else that of the credentials.")
    prefix: Slug = names.DEFAULT_PREFIX
    is_production: bool = Field(default=False, description="Keeps data when stacks go, and has a second database.")
    site_origin: str | None = Field(
        default=None,
        pattern=r"^https://[^/\s]+$",
        description="Where people open the site; browsers upload from there.",
    )
    certificate_arn: str | None = Field(default=None, pattern=r"^arn:aws:acm:\S+$", description="For HTTPS.")
    image: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9./:_-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$",
        description="The control plane's image in a registry, with tag or digest; else it is built of this checkout.",
    )
    worker_identity_check: Literal["off", "signature", "group"] = Field(
        default="off", description="What a machine proves when it registers; needs control_plane/certificates."
    )
    pages_operate: bool = Field(
        default=True,
        description="Operators launch dev nodes, bake and roll on pages, for which the control plane's role may do so.",
    )
    zones: tuple[str, ...] = Field(default=("a", "b"), min_length=2, description="Letters of availability zones.")
    fleets: tuple[FleetSettings, ...] = Field(min_length=1)


def read_stage(name: str, account: str | None = None, path: Path = STAGES_FILE, *, image: str | None = None) -> Stage:
    """Read a stage. `account` is that of the credentials, for a stage that names none; `image` is one for this deploy.

    Raises:
        StageUnknown: The file has no such table.
        StageInvalid: A value makes no sense, with the setting's name.
    """
    tables = tomllib.loads(path.read_text())
    if name not in tables:
        raise StageUnknown(f"There is no stage '{name}' in {path.name}.", hint=f"Use one of: {', '.join(tables)}.")
    try:
        given = {"image": image} if image else {}
        return Stage(name=name, **{"account": account, **tables[name], **given})
    except ValidationError as error:
        raise StageInvalid(f"Stage '{name}': {problems_of(error)}.", hint=f"Mend it in {path.name}.") from error
