import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.clouds.commands import say
from tests.support.clouds.fleet import BUCKET, FLEET, IMAGE_PARAMETER, STAGE, MemoryCloud, Recorder, fleet_image_tags

from comfyfleet import names
from comfyfleet.cloud.errors import NoCapacity
from comfyfleet.cloud.fleet_ports import ParameterKind
from comfyfleet.ops.bake.bake import BakeReceipt, apply
from comfyfleet.ops.bake.package import build_package
from comfyfleet.ops.bake.plan import BakeOrder, BakePlan, plan
from comfyfleet.ops.errors import ImageUnknown, StepFailed, TargetInvalid, WaitTimedOut

BUNDLE = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
INSTALLER = """#!/bin/bash
set -e
[ -s "$1" ] || exit 3
printf '#!/bin/sh\\necho "applied $BUNDLE_PREFIX of $MODELS_BUCKET"\\nexit ${APPLY_CODE:-0}\\n' \
    > "$ROOT/opt/comfyui/bin/apply-bundle.sh"
chmod +x "$ROOT/opt/comfyui/bin/apply-bundle.sh"
echo "installed $(basename "$1")"
"""
FETCH = """for word in "$@"; do
  [ "$before" = -o ] && target=$word
  before=$word
done
[ "$target" = /dev/null ] && exit ${COMFYUI_CODE:-0}
[ -n "$target" ] || exit 0
cat "$PACKAGE"/* > "$target"
"""


@pytest.fixture
def package_folder(tmp_path: Path) -> Path:
    (tmp_path / "installer").mkdir()
    (tmp_path / "installer" / "install.sh").write_text(INSTALLER)
    (tmp_path / "comfyfleet-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    (tmp_path / "worker.txt").touch()
    return tmp_path


@pytest.fixture
def order(memory: MemoryCloud, package_folder: Path) -> BakeOrder:
    wheel = package_folder / "comfyfleet-0.1.0-py3-none-any.whl"
    package = build_package(package_folder / "installer", wheel, package_folder / "worker.txt")
    manifest = {"assets": [{"size": 6_000_000_000}, {}]}
    store = memory.bucket(BUCKET)
    store.write(names.manifest_key(BUNDLE), json.dumps(manifest).encode(), content_type="application/json")
    memory.commands.environment["PACKAGE"] = str(package_folder / "buckets" / BUCKET / "data" / "machine")
    memory.commands.programs = {
        "curl": FETCH,
        "sleep": say(),
        "systemctl": say(),
        "journalctl": say("ComfyUI fell over"),
        "cloud-init": say(),
        "comfyfleet": say("bundle: 2 files, all as they should be"),
        "python3": say('{"comfyui_version": "0.33.0", "file": "bake-probe_00001_.png"}'),
    }
    return BakeOrder(STAGE, FLEET, f"bundles/{BUNDLE}", package, revision="abc123")


def bake(memory: MemoryCloud, order: BakeOrder, reporter: Recorder) -> BakeReceipt:
    return apply(plan(order, memory.cloud), memory.cloud, reporter)


def is_untouched(memory: MemoryCloud) -> bool:
    """Nothing of a failed bake is left: no machine, no image, no write."""
    baked = memory.images.tagged({names.REVISION_TAG: "abc123"})
    return memory.alive(names.BAKE_ROLE) == [] and baked == [] and memory.parameters.writes == []


def test_a_comfyui_that_is_started_in_vain_is_given_up_at_once(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder
) -> None:
    memory.commands.environment["COMFYUI_CODE"] = "7"
    memory.commands.programs["systemctl"] = '[ "$1" = show ] && echo 3; exit 0'
    memory.commands.programs["sleep"] = 'echo >> "$ROOT/slept"'
    with pytest.raises(StepFailed, match="ComfyUI fell over"):
        bake(memory, order, reporter)
    assert list(memory.commands.folder.glob("*/slept")) == []
    assert is_untouched(memory)


def test_a_bake_makes_an_image_and_points_the_fleet_to_it(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder
) -> None:
    receipt = bake(memory, order, reporter)
    assert memory.image_in_parameter() == receipt.image_id != memory.image_id
    assert memory.parameters.kinds[IMAGE_PARAMETER] is ParameterKind.IMAGE
    assert (receipt.previous_image_id, receipt.comfyui_version) == (memory.image_id, "0.33.0")
    image = memory.images.find(receipt.image_id)
    assert image is not None
    wanted = {"BundleId": BUNDLE, "ComfyUIVersion": "0.33.0", "GitRevision": "abc123", **fleet_image_tags()}
    assert wanted.items() <= image.tags.items()
    assert memory.alive(names.BAKE_ROLE) == []


def test_the_machine_is_installed_applied_tested_and_cleaned_in_turn(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder
) -> None:
    bake(memory, order, reporter)
    assert memory.commands.comments() == [
        "bake: install ComfyUI and the worker",
        f"bake: apply bundle {BUNDLE}",
        "bake: start ComfyUI",
        "bake: prove that ComfyUI is kept from the machine's role",
        "bake: verify the bundle",
        "bake: render one job",
        "bake: remove what is this machine's alone",
        "bake: look for secrets",
    ]
    assert "installed comfyfleet-0.1.0-py3-none-any.whl" in reporter.text
    assert f"applied bundles/{BUNDLE} of {BUCKET}" in reporter.text
    [disk] = (memory.commands.folder).iterdir()
    assert (disk / "opt/comfyui/.baked_bundle_id").read_text() == f"{BUNDLE}\n"


def test_an_image_is_refused_of_a_machine_that_does_not_keep_comfyui_from_its_role(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder
) -> None:
    memory.commands.programs["systemctl"] = "case $1 in start) exit 1 ;; show) echo 13 ;; esac"
    with pytest.raises(StepFailed, match="ComfyUI reaches the metadata service"):
        bake(memory, order, reporter)
    assert is_untouched(memory)


def test_on_simulated_machines_the_proof_is_left_out_and_that_is_told(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder
) -> None:
    proved, left_out = (plan(replace(order, proves_isolation=one), memory.cloud) for one in (True, False))
    assert (len(proved.warnings), len(left_out.warnings)) == (0, 1)
    assert "not proved" in left_out.warnings[0]
    receipt = apply(left_out, memory.cloud, reporter)
    assert receipt.is_isolation_proven is False
    assert not [one for one in memory.commands.comments() if "kept from" in one]


def test_the_plan_says_what_will_be_and_launches_nothing(memory: MemoryCloud, order: BakeOrder) -> None:
    made = plan(order, memory.cloud)
    text = "\n".join(made.steps)
    for part in (memory.base_id, "base-oss-nvidia-driver-gpu", "g5.2xlarge", "6.0 GB", "roughly"):
        assert part in text
    assert made.machine is not None
    assert made.machine.disk_gib == 72
    assert made.machine.subnet_id == "subnet-1"
    assert "shutdown -h +180" in made.machine.user_data
    assert memory.machines.launched == []
    assert memory.commands.sent == []


def test_the_plan_of_a_first_bake_says_where_role_and_network_come_from(memory: MemoryCloud, order: BakeOrder) -> None:
    memory.parameters.put(IMAGE_PARAMETER, memory.base_id, kind=ParameterKind.IMAGE)
    text = "\n".join(plan(order, memory.cloud).steps)
    assert "with the role and the network of lt-staging-gpu-default" in text
    assert f"{IMAGE_PARAMETER}, which holds {memory.base_id} and is the base image: this is the first bake" in text
    own = plan(replace(order, instance_profile="mine", subnet_id="subnet-9"), memory.cloud)
    assert "with the instance profile mine" in "\n".join(own.steps)


def test_a_fleet_without_a_stack_is_told_so_before_anything_is_launched(memory: MemoryCloud, order: BakeOrder) -> None:
    memory.groups.exists = False
    with pytest.raises(TargetInvalid, match=r"no group asg-staging-gpu-default.*Deploy the stacks"):
        plan(order, memory.cloud)
    assert plan(replace(order, instance_profile="mine"), memory.cloud).machine is not None


@pytest.mark.parametrize("value", [None, names.SECRET_PLACEHOLDER, "ami-0123456789abcdef0"])
def test_a_parameter_without_an_image_holds_the_base_image_before_the_template_is_looked_up(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder, value: str | None
) -> None:
    memory.parameters.delete(IMAGE_PARAMETER)
    if value is not None:
        memory.parameters.put(IMAGE_PARAMETER, value)
    memory.parameters.writes.clear()
    assert f"Write {memory.base_id} to {IMAGE_PARAMETER}, which" in plan(order, memory.cloud).steps[0]
    receipt = bake(memory, order, reporter)
    assert memory.parameters.writes == [(IMAGE_PARAMETER, memory.base_id), (IMAGE_PARAMETER, receipt.image_id)]


def test_the_newest_images_and_those_in_use_are_kept(memory: MemoryCloud, order: BakeOrder, reporter: Recorder) -> None:
    made = [memory.images.add(f"old-{age}", fleet_image_tags(), age_hours=age) for age in range(1, 7)]
    memory.machines.add(made[3], {names.ROLE_TAG: names.DEV_NODE_ROLE})
    memory.images.template_images = frozenset({made[4]})
    foreign = memory.images.add("foreign", {**fleet_image_tags(), names.FLEET_TAG: "gpu-b"}, age_hours=99)
    planned = plan(replace(order, keep=3), memory.cloud)
    assert planned.deletes == (made[2], made[5])  # of the parameter's own, the oldest of all, nothing is said
    memory.images.template_images |= {made[5]}  # since the plan was made
    receipt = apply(planned, memory.cloud, reporter)
    assert receipt.deleted == (made[2],)
    assert {memory.image_id, foreign, *made} - memory.images.ids == {made[2]}


def test_machines_of_bakes_that_were_cut_off_are_ended(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder
) -> None:
    tags = {names.ROLE_TAG: names.BAKE_ROLE}
    left, other = memory.machines.add("ami-1", tags, age_hours=4), memory.machines.add("ami-1", tags, age_hours=1)
    assert plan(order, memory.cloud).leftovers == (left,)
    bake(memory, order, reporter)
    assert memory.alive(names.BAKE_ROLE) == [other]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"bundle": "none"}, TargetInvalid),
        ({"bundle": "00000000-2a7d-4a0f-9d2d-4a0b1d2c3e4f"}, TargetInvalid),
        ({"base": "/aws/none"}, ImageUnknown),
        ({"base": "ami-0123456789abcdef0"}, ImageUnknown),
        ({"keep": 0}, TargetInvalid),
        ({"models_bucket": "x y"}, TargetInvalid),
    ],
)
def test_what_cannot_be_baked_is_told_before(
    memory: MemoryCloud, order: BakeOrder, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        plan(replace(order, **changes), memory.cloud)


def program(name: str, text: str) -> Any:
    def fault(memory: MemoryCloud) -> None:
        memory.commands.programs[name] = text

    return fault


def variable(name: str, value: str) -> Any:
    def fault(memory: MemoryCloud) -> None:
        memory.commands.environment[name] = value

    return fault


def no_capacity(memory: MemoryCloud) -> None:
    memory.machines.without_capacity = {"g5.2xlarge", "g6.2xlarge", "g4dn.2xlarge"}


def never_reachable(memory: MemoryCloud) -> None:
    memory.commands.is_never_reachable = True


def image_fails(memory: MemoryCloud) -> None:
    memory.images.fails = True


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (no_capacity, NoCapacity, "No machine"),
        (never_reachable, WaitTimedOut, "agent"),
        (program("curl", "echo other > $3; while [ $# -gt 1 ]; do shift; done"), StepFailed, "install"),
        (variable("APPLY_CODE", "8"), StepFailed, "apply bundle"),
        (variable("COMFYUI_CODE", "7"), StepFailed, "ComfyUI fell over"),
        (program("systemctl", say(code=1)), StepFailed, "start ComfyUI"),
        (program("comfyfleet", say("changed  models/vae/a", code=1)), StepFailed, "changed  models/vae/a"),
        (program("python3", say("no GPU", code=1)), StepFailed, "render one job"),
        (program("python3", say("no version")), StepFailed, "version"),
        (
            program("cloud-init", 'mkdir -p "$ROOT/root/.aws"; echo x > "$ROOT/root/.aws/credentials"'),
            StepFailed,
            "secr",
        ),
        (program("cloud-init", 'echo "FLEET_SECRET=abc" > "$ROOT/opt/worker/old"'), StepFailed, "hold secrets"),
        (image_fails, StepFailed, "image"),
    ],
)
def test_whatever_fails_the_machine_is_gone_and_the_parameter_untouched(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder, fault: Any, error: type[Exception], words: str
) -> None:
    fault(memory)
    with pytest.raises(error, match=words):
        bake(memory, order, reporter)
    assert is_untouched(memory)


@pytest.mark.parametrize(
    "step",
    [
        "Launching",
        "Waiting for i-",
        "Sending",
        "Install",
        "Apply",
        "Start",
        "Prove",
        "Verify",
        "Render",
        "Remove",
        "Look",
        "Making",
    ],
)
def test_an_interrupt_in_any_step_leaves_nothing(memory: MemoryCloud, order: BakeOrder, step: str) -> None:
    pressing = Recorder(step)
    with pytest.raises(KeyboardInterrupt):
        bake(memory, order, pressing)
    assert pressing.interrupts_at is None
    assert is_untouched(memory)


@pytest.mark.parametrize("number", [1, 12, 18, 20, 30])
def test_an_interrupt_while_it_waits_leaves_nothing(
    memory: MemoryCloud, order: BakeOrder, reporter: Recorder, number: int
) -> None:
    left = [number]

    def press(_: float) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    memory.clock.on_sleep.append(press)
    with pytest.raises(KeyboardInterrupt):
        bake(memory, order, reporter)
    assert is_untouched(memory)


def test_an_interrupt_of_the_ending_does_not_stop_it(memory: MemoryCloud, order: BakeOrder) -> None:
    memory.commands.environment["APPLY_CODE"] = "8"
    with pytest.raises(KeyboardInterrupt):
        bake(memory, order, Recorder("Ending"))
    assert is_untouched(memory)


def test_a_plan_of_nothing_is_refused(memory: MemoryCloud, reporter: Recorder) -> None:
    with pytest.raises(TargetInvalid):
        apply(BakePlan("", ()), memory.cloud, reporter)
