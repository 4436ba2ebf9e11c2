"""Brings one machine to a bundle from afar."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from comfyfleet import names
from comfyfleet.cloud.errors import MachineUnreachable
from comfyfleet.ops.errors import TargetInvalid
from comfyfleet.ops.remote import Outcome, Script, follow
from comfyfleet.ops.targets import bundle_id_of, check_bucket, check_fleet, check_instance_id
from comfyfleet.ops.tools import Cloud, Plan, Reporter
from comfyfleet.ops.waiting import running_machine

_TIMEOUT_SECONDS: Final = 2 * 3600


@dataclass(frozen=True)
class ApplyOrder:
    """Which machine shall have which bundle. What is left out is read from the machine's tags and the parameters."""

    instance_id: str
    bundle: str
    fleet_slug: str | None = None
    stage: str | None = None
    models_bucket: str | None = None


@dataclass(frozen=True)
class ApplyPlan(Plan):
    """A bundle for one machine."""

    instance_id: str = ""
    stage: str = ""
    bundle_id: str = ""
    models_bucket: str = ""

    @property
    def log_prefix(self) -> str:
        """Where the logs bucket keeps what is said."""
        return names.sync_log_prefix(self.stage, self.instance_id)


@dataclass(frozen=True)
class ApplyReceipt:
    """What an apply came to. `exit_code` is that of the program on the machine; None for one that was cut off."""

    instance_id: str
    bundle_id: str
    command_id: str
    status: str
    exit_code: int | None
    log_prefix: str


def plan(order: ApplyOrder, cloud: Cloud) -> ApplyPlan:
    """Return what will be done.

    Raises:
        TargetInvalid: A name has the wrong form, or the machine is another fleet's.
        MachineUnknown: There is no such machine.
        MachineUnreachable: It takes no commands.
    """
    instance_id, bundle_id = check_instance_id(order.instance_id), bundle_id_of(order.bundle)
    machine = running_machine(cloud, instance_id)
    stage = _same("stage", order.stage, machine.tags.get(names.STAGE_TAG))
    fleet = _same("fleet", order.fleet_slug, machine.tags.get(names.FLEET_TAG))
    label = check_fleet(stage, fleet)
    if not cloud.commands.is_reachable(instance_id):
        raise MachineUnreachable(
            f"The agent on {instance_id} does not answer.", hint="A machine that just started needs a minute or two."
        )
    bucket = check_bucket(order.models_bucket or models_bucket(cloud, stage))
    is_fleets = machine.tags.get(names.ROLE_TAG) == names.FLEET_ROLE
    warning = f"{instance_id} serves the fleet {label}: jobs that need what the bundle lacks will fail on it."
    return ApplyPlan(
        title=f"Apply bundle {bundle_id} to {instance_id}",
        steps=(
            f"Run {names.APPLY_PROGRAM} on {instance_id} ({label}), from the bucket {bucket}",
            "Show what it says, and end with its exit code",
        ),
        warnings=(warning,) if is_fleets else (),
        instance_id=instance_id,
        stage=stage,
        bundle_id=bundle_id,
        models_bucket=bucket,
    )


def apply(
    plan: ApplyPlan, cloud: Cloud, reporter: Reporter, *, is_to_cancel: Callable[[], bool] = lambda: True
) -> ApplyReceipt:
    """Run the applier on the machine and tell what it says; `is_to_cancel` is asked on Ctrl-C."""
    reporter.step(plan.title)
    outcome = follow(cloud, reporter, script_of(plan), is_to_cancel=is_to_cancel)
    return _receipt(plan, outcome)


def script_of(plan: ApplyPlan) -> Script:
    """Return what is run on the machine."""
    text = apply_command(plan.models_bucket, plan.bundle_id)
    return Script(plan.instance_id, text, f"apply bundle {plan.bundle_id}", _TIMEOUT_SECONDS, plan.log_prefix)


def apply_command(bucket: str, bundle_id: str) -> str:
    """Return the applier's command line, as the runbook has it."""
    prefix = names.bundle_prefix(bundle_id)
    return f"MODELS_BUCKET={shlex.quote(bucket)} BUNDLE_PREFIX={shlex.quote(prefix)} {names.APPLY_PROGRAM}"


def models_bucket(cloud: Cloud, stage: str) -> str:
    """Return a stage's models bucket; raise `TargetInvalid` when no parameter names it."""
    name = names.models_bucket_parameter(stage, prefix=cloud.prefix)
    parameter = cloud.parameters.get(name)
    if parameter is None:
        raise TargetInvalid(f"There is no parameter {name}.", hint="Deploy the data stack, or name the bucket.")
    return parameter.value


def _same(what: str, given: str | None, tag: str | None) -> str:
    if given and tag and given != tag:
        raise TargetInvalid(f"The machine's {what} is '{tag}', not '{given}'.", hint="Check the machine's id.")
    found = given or tag
    if not found:
        raise TargetInvalid(f"The machine has no tag that names its {what}.", hint=f"Give the {what}.")
    return found


def _receipt(plan: ApplyPlan, outcome: Outcome) -> ApplyReceipt:
    return ApplyReceipt(
        instance_id=plan.instance_id,
        bundle_id=plan.bundle_id,
        command_id=outcome.command_id,
        status=outcome.status.value,
        exit_code=outcome.exit_code,
        log_prefix=plan.log_prefix,
    )
