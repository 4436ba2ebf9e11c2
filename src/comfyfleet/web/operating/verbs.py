"""The verbs of a fleet's page: from a form to a plan, and from a plan to what was done, in words."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.core.errors import FleetError, Invalid
from comfyfleet.core.operations import OperationKind
from comfyfleet.core.properties import Scalar
from comfyfleet.ops import apply_remote, dev_gpu
from comfyfleet.ops import roll as rolling
from comfyfleet.ops.apply_remote import ApplyOrder
from comfyfleet.ops.bake import bake as baking
from comfyfleet.ops.bake.package import Package
from comfyfleet.ops.bake.plan import BakeOrder
from comfyfleet.ops.bake.plan import plan as plan_bake
from comfyfleet.ops.canary import Bench, RenderProof
from comfyfleet.ops.dev_gpu import DevNodeOrder
from comfyfleet.ops.roll import RollOrder
from comfyfleet.ops.tools import Cloud, Plan, Reporter, document
from comfyfleet.web.operating import commands
from comfyfleet.web.operating.forms import ApplyForm, BakeForm, LaunchForm, RollForm, StopForm, VerbForm, words_of


class ConsentMissing(Invalid):
    """A plan has something that somebody has to agree to by itself."""

    code = "consent_missing"


class TestMissing(Invalid):
    """A roll has no workflow to test with, and was not told to do without."""

    code = "test_missing"
    __test__ = False


class PackageMissing(Invalid):
    """This control plane has nothing to provision a machine with."""

    code = "package_missing"


@dataclass(frozen=True)
class Place:
    """Where a verb works, and for whom. `package` gives what machines are provisioned with, or None."""

    stage: str
    fleet: str
    actor: str
    cloud: Cloud
    package: Callable[[], Package] | None
    revision: str

    @property
    def label(self) -> str:
        """The fleet as `stage/slug`."""
        return f"{self.stage}/{self.fleet}"


@dataclass(frozen=True)
class Outcome:
    """What became of a verb, in words and as the receipt."""

    is_success: bool
    words: str
    receipt: Any


@dataclass(frozen=True)
class Prepared:
    """A verb that is ready. `lock` is what it must have for itself, `missing` what keeps it from being begun yet.

    `test` are workflow and values of a test run that is part of it.
    """

    plan: Plan
    lock: str
    command: str
    run: Callable[[Cloud, Reporter, Bench], Outcome]
    missing: FleetError | None = None
    is_needed: bool = True
    test: tuple[str, dict[str, Scalar]] | None = None

    @property
    def digest(self) -> str:
        """What tells whether a plan is still the one that somebody agreed to."""
        told = [self.plan.title, self.plan.steps, self.plan.warnings]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def prepare_launch(form: LaunchForm, place: Place) -> Prepared:
    """Plan a dev node."""
    order = DevNodeOrder(
        stage=place.stage,
        fleet_slug=place.fleet,
        owner=place.actor,
        hours=form.hours,
        instance_types=words_of(form.types) or dev_gpu.DEFAULT_TYPES,
        image_id=form.image_id or None,
        cidr=form.cidr or None,
        keeps_disk=form.keeps_disk,
    )
    plan = dev_gpu.plan(order, place.cloud)

    def run(cloud: Cloud, reporter: Reporter, _bench: Bench) -> Outcome:
        node = dev_gpu.apply(plan, cloud, reporter)
        way = f"Its ComfyUI is at {node.url}" if node.url else f"Open it: comfyfleet devnode open {node.instance_id}"
        return Outcome(True, f"{node.instance_id} ({node.instance_type}) is up. {way}", document(node))

    missing = None
    if plan.needs_consent and not form.accepts_range:
        missing = ConsentMissing(plan.warnings[0], hint="Give one address, or tick that it is meant.")
    return Prepared(plan, f"launch:{plan.token}", commands.launch(form, place.label), run, missing)


def prepare_stop(form: StopForm, place: Place) -> Prepared:
    """Plan the end of a dev node of this fleet."""
    plan = dev_gpu.plan_stop(form.instance_id, place.cloud, keeps_disk=form.keeps_disk, fleet=place.label)

    def run(cloud: Cloud, reporter: Reporter, _bench: Bench) -> Outcome:
        receipt = dev_gpu.apply_stop(plan, cloud, reporter)
        return Outcome(True, f"{receipt.instance_id} is {receipt.state}.", document(receipt))

    return Prepared(plan, f"machine:{plan.instance_id}", commands.stop(form, place.label), run)


def prepare_apply(form: ApplyForm, place: Place) -> Prepared:
    """Plan a bundle for a machine of this fleet."""
    order = ApplyOrder(form.instance_id, form.bundle, place.fleet, place.stage)
    plan = apply_remote.plan(order, place.cloud)

    def run(cloud: Cloud, reporter: Reporter, _bench: Bench) -> Outcome:
        receipt = apply_remote.apply(plan, cloud, reporter)
        if receipt.exit_code == 0:
            return Outcome(True, f"{receipt.instance_id} has bundle {receipt.bundle_id}.", document(receipt))
        words = f"The apply {receipt.status}, with exit code {receipt.exit_code}; its log is in the logs bucket below "
        return Outcome(False, f"{words}{receipt.log_prefix}.", document(receipt))

    return Prepared(plan, f"machine:{plan.instance_id}", commands.apply(form, place.label), run)


def prepare_bake(form: BakeForm, place: Place) -> Prepared:
    """Plan an image."""
    if place.package is None:
        raise PackageMissing(
            "This control plane has nothing to provision a machine with.",
            hint="Set MACHINE_PACKAGE, or bake from a checkout: comfyfleet fleets bake.",
        )
    order = BakeOrder(
        stage=place.stage,
        fleet_slug=place.fleet,
        bundle=form.bundle,
        package=place.package(),
        revision=place.revision,
        base=form.base,
        instance_types=words_of(form.types) or BakeOrder.instance_types,
        keep=form.keep,
    )
    plan = plan_bake(order, place.cloud)

    def run(cloud: Cloud, reporter: Reporter, _bench: Bench) -> Outcome:
        receipt = baking.apply(plan, cloud, reporter)
        words = f"New machines are of {receipt.image_id}, with ComfyUI {receipt.comfyui_version}."
        return Outcome(True, f"{words} Those that run stay as they are until they are rolled.", document(receipt))

    return Prepared(plan, f"bake:{place.label}", commands.bake(form, place.label), run)


def prepare_roll(form: RollForm, place: Place) -> Prepared:
    """Plan the replacement of machines."""
    order = RollOrder(
        place.stage, place.fleet, form.canary_seconds, form.min_healthy, form.warmup, form.back_to or None
    )
    plan = rolling.plan(order, place.cloud)
    test = (form.workflow, form.values) if form.workflow and not form.skips_test else None

    def run(cloud: Cloud, reporter: Reporter, bench: Bench) -> Outcome:
        proof = RenderProof(bench, cloud, place.label, *test) if test else None
        receipt = rolling.apply(plan, cloud, reporter, proof)
        if receipt.status == "rolled_back":
            words = f"The roll was taken back, and {plan.group} is of {plan.previous_image_id} again: {receipt.reason}"
        elif receipt.status == "nothing_to_do":
            words = receipt.reason
        else:
            words = f"{plan.group} is of {plan.image_id}."
        return Outcome(receipt.is_done, words, document(receipt))

    missing = None
    if plan.is_needed and not test and not form.skips_test:
        missing = TestMissing("No workflow is chosen to test with.", hint="Choose one, or tick that none is wanted.")
    command = commands.roll(form, place.label)
    return Prepared(plan, f"roll:{place.label}", command, run, missing, is_needed=plan.is_needed, test=test)


@dataclass(frozen=True)
class Verb:
    """A verb as the page knows it: its kind, its form, and how it is prepared."""

    kind: OperationKind
    form: type[VerbForm]
    prepare: Callable[[Any, Place], Prepared]
    heading: str
    lead: str


VERBS: Final[Mapping[str, Verb]] = {
    "launch": Verb(
        OperationKind.LAUNCH,
        LaunchForm,
        prepare_launch,
        "Launch a dev node",
        "A GPU machine of the fleet's image on which workflows are built. It takes no jobs, and ends by itself.",
    ),
    "stop": Verb(
        OperationKind.STOP, StopForm, prepare_stop, "End a dev node", "Its disk goes with it, unless it is kept."
    ),
    "apply": Verb(
        OperationKind.APPLY,
        ApplyForm,
        prepare_apply,
        "Apply a bundle to a machine",
        "To try it on a dev node, before the fleet points to it.",
    ),
    "bake": Verb(
        OperationKind.BAKE,
        BakeForm,
        prepare_bake,
        "Bake an image",
        "A machine is installed, proved, copied and ended. Machines that run stay as they are.",
    ),
    "roll": Verb(
        OperationKind.ROLL,
        RollForm,
        prepare_roll,
        "Roll the machines",
        "One machine is replaced first and has to render a job; then the others, each after the job that it has.",
    ),
}
"""By the last part of their addresses."""
