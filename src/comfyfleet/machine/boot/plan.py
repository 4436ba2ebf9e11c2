"""What a boot will do, decided from what the fleet's parameters and the disk say."""

from dataclasses import dataclass, field
from uuid import UUID

from comfyfleet import names
from comfyfleet.core.errors import Invalid, NotFound
from comfyfleet.core.secrets import check_secret


class ParameterMissing(NotFound):
    """A parameter that a machine of a fleet needs is not there."""

    code = "parameter_missing"


class PointerInvalid(Invalid):
    """The fleet's pointer names no bundle."""

    code = "pointer_invalid"


@dataclass(frozen=True)
class Parameters:
    """What the stage's parameters hold."""

    pointer: str
    models_bucket: str
    fleet_secret: str = field(repr=False)


@dataclass(frozen=True)
class Disk:
    """The bundle of the image, and the one that was applied last; None where there is none."""

    baked: str | None
    active: str | None


@dataclass(frozen=True)
class BootPlan:
    """`bundle_id` is to be on the machine, or None for none; `reason` says why it is applied or not."""

    bundle_id: str | None
    is_apply_needed: bool
    reason: str


def plan_boot(parameters: Parameters, disk: Disk) -> BootPlan:
    """Return what is to be done.

    An image's bundle counts only while nothing else was applied over it: a machine that ran another bundle since is
    brought back, which takes little when the files are still here.

    Raises:
        PointerInvalid: The pointer is neither `none` nor a bundle's prefix.
        SecretRefused: The secret is a placeholder or too short.
    """
    check_secret("The fleet secret", parameters.fleet_secret)
    wanted = _bundle_id(parameters.pointer)
    if wanted is None:
        return BootPlan(None, is_apply_needed=False, reason="the fleet points to no bundle")
    if disk.baked == wanted and disk.active in {None, wanted}:
        return BootPlan(wanted, is_apply_needed=False, reason=f"bundle {wanted} came with the image")
    before = f"bundle {disk.active}" if disk.active else "no bundle"
    return BootPlan(wanted, is_apply_needed=True, reason=f"the fleet points to bundle {wanted}, here is {before}")


def _bundle_id(pointer: str) -> str | None:
    if pointer == names.NO_BUNDLE:
        return None
    try:
        if not pointer.startswith(names.BUNDLES_PREFIX):
            raise ValueError(pointer)
        return str(UUID(pointer.removeprefix(names.BUNDLES_PREFIX)))
    except ValueError:
        raise PointerInvalid(
            f"The fleet's pointer is {pointer!r}, which is no bundle.", hint="Run: comfyfleet fleets mend-pointer"
        ) from None
