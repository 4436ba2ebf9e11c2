"""Carries out a boot. Nothing registers before all of it is in place; a second boot changes nothing that is right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import ParameterStore
from comfyfleet.machine.boot.environment import environment_text, worker_environment, write_environment
from comfyfleet.machine.boot.plan import BootPlan, Disk, ParameterMissing, Parameters, plan_boot
from comfyfleet.machine.boot.settings import BootSettings
from comfyfleet.machine.places import places_of
from comfyfleet.machine.report import Report
from comfyfleet.machine.state import read_active_bundle


class StartService(Protocol):
    """Starts a service by its unit's name; see `services.start_service`."""

    def __call__(self, unit: str, *, is_anew: bool = False) -> None:
        """Start it."""
        ...


@dataclass(frozen=True)
class BootTools:
    """What a boot works with. `apply` brings the machine to a bundle of a bucket."""

    parameters: ParameterStore
    apply: Callable[[str, str], None]
    start: StartService


@dataclass(frozen=True)
class BootReceipt:
    """What a boot did."""

    bundle_id: str | None
    was_applied: bool
    is_environment_new: bool


def look(settings: BootSettings, parameters: ParameterStore) -> tuple[Parameters, BootPlan]:
    """Read what the fleet's parameters and the disk say; return it with what is to be done.

    Raises:
        ParameterMissing: One of the stage's parameters is not there.
        PointerInvalid: The pointer names no bundle.
        SecretRefused: The fleet secret is a placeholder.
    """
    prefix, stage = settings.name_prefix, settings.stage
    found = Parameters(
        pointer=_value(parameters, names.active_bundle_parameter(stage, settings.fleet_slug, prefix=prefix)),
        models_bucket=settings.models_bucket or _value(parameters, names.models_bucket_parameter(stage, prefix=prefix)),
        fleet_secret=_value(parameters, names.fleet_secret_parameter(stage, prefix=prefix)),
    )
    return found, plan_boot(found, _disk(settings))


def boot(settings: BootSettings, tools: BootTools, report: Report) -> BootReceipt:
    """Bring this machine to its fleet's bundle and start ComfyUI and the worker.

    Raises:
        FleetError: What is in place stays, and the worker is not started.
    """
    parameters, plan = look(settings, tools.parameters)
    label = f"{settings.stage}/{settings.fleet_slug}"
    report.say(f"boot of {settings.worker_id} in fleet {label}: {plan.reason}")
    if plan.is_apply_needed and plan.bundle_id:
        tools.apply(plan.bundle_id, parameters.models_bucket)
    text = environment_text(worker_environment(settings, parameters.fleet_secret))
    is_new = write_environment(settings.worker_environment, text)
    report.say(f"{settings.worker_environment} {'was written' if is_new else 'is as it was'}")
    tools.start(names.COMFYUI_SERVICE)
    tools.start(names.WORKER_SERVICE, is_anew=is_new)
    report.say("ComfyUI and the worker were started")
    return BootReceipt(plan.bundle_id, was_applied=plan.is_apply_needed, is_environment_new=is_new)


def _value(parameters: ParameterStore, name: str) -> str:
    found = parameters.get(name)
    if found is None:
        raise ParameterMissing(f"There is no parameter {name}.", hint="Deploy the stage's data stack, or write it.")
    return found.value


def _disk(settings: BootSettings) -> Disk:
    try:
        baked = (settings.install_root / names.BAKED_BUNDLE_FILE).read_text().strip() or None
    except FileNotFoundError:
        baked = None
    return Disk(baked, read_active_bundle(places_of(settings.install_root, settings.content_store)))
