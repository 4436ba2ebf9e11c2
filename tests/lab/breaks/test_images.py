"""Images that are no good, and a good one that comes while jobs run."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from lab.machines import processes_of
from tests.lab.breaks.disk import WHY_NOT, broken_start
from tests.lab.breaks.stage import FLEET, IMAGE_PARAMETER, MODELS_BUCKET, STAGE
from tests.lab.breaks.world import OPEN, SECONDS, SLUG, World
from tests.support.clouds.fleet import Recorder
from tests.support.fleet import eventually

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import ParameterKind
from comfyfleet.core.jobs import JobEvent
from comfyfleet.ops.bake import bake
from comfyfleet.ops.bake.package import build_package
from comfyfleet.ops.bake.plan import BakeOrder, fleet_tags
from comfyfleet.ops.bake.plan import plan as plan_bake
from comfyfleet.ops.canary import PlaneBench, RenderProof
from comfyfleet.ops.errors import StepFailed
from comfyfleet.ops.roll import RollOrder, RollReceipt, apply, plan

_INSTALLER = """\
#!/bin/bash
set -eu
echo "installing $(basename "$1")"
cat > "${MACHINE_ROOT:-}/opt/comfyui/bin/start-comfyui.sh" <<'END'
#!/bin/sh
@START@
END
"""


@dataclass
class Rolling:
    """A roll that goes on in a thread of its own, and what its operator reads."""

    heard: Recorder = field(default_factory=Recorder)
    receipts: list[RollReceipt] = field(default_factory=list)

    def is_over(self) -> bool:
        """Tell whether it has ended, well or not."""
        return bool(self.receipts)


@contextmanager
def rolling(world: World, image_id: str, canary_seconds: int) -> Iterator[Rolling]:
    """Point the fleet to an image and roll it there; afterwards the roll has ended."""
    world.cloud.parameters.put(IMAGE_PARAMETER, image_id, kind=ParameterKind.IMAGE)
    order = RollOrder(STAGE, FLEET, canary_seconds=canary_seconds, warmup_seconds=10)
    proof = RenderProof(PlaneBench(world.plane), world.cloud, f"{STAGE}/{FLEET}", SLUG, {"gate": OPEN})
    made, running = plan(order, world.cloud), Rolling()

    def roll() -> None:
        running.receipts.append(apply(made, world.cloud, running.heard, proof))

    thread = threading.Thread(target=roll, name="roll")
    thread.start()
    try:
        yield running
    finally:
        thread.join(SECONDS)
        assert not thread.is_alive(), running.heard.steps


def new_machine(world: World, old: list[str]) -> str:
    """Wait for the machine that a roll brings; return its id."""
    return eventually(
        lambda: next((one.instance_id for one in world.members() if one.instance_id not in old), None), SECONDS
    )


@pytest.fixture
def order(world: World, tmp_path: Path) -> BakeOrder:
    """A package whose installer leaves a ComfyUI that does not start, and a bundle of nothing."""
    bundle_id = str(uuid4())
    manifest = {"manifest_version": 1, "bundle_id": bundle_id, "name": "nothing", "assets": []}
    manifest |= {"created_at": "2026-01-01T00:00:00Z", "notes": None}
    world.cloud.bucket(MODELS_BUCKET).write(
        names.manifest_key(bundle_id), json.dumps(manifest).encode(), content_type="application/json"
    )
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine/install.sh").write_text(_INSTALLER.replace("@START@", broken_start()))
    (tmp_path / "comfyfleet-0.1.0-py3-none-any.whl").touch()
    (tmp_path / "worker.txt").touch()
    package = build_package(
        tmp_path / "machine", tmp_path / "comfyfleet-0.1.0-py3-none-any.whl", tmp_path / "worker.txt"
    )
    return BakeOrder(STAGE, FLEET, bundle_id, package, revision="abc123")


def test_a_bake_of_a_machine_whose_comfyui_does_not_start_is_refused(world: World, order: BakeOrder) -> None:
    before, heard = world.lab.parameter(IMAGE_PARAMETER), Recorder()
    made = plan_bake(order, world.cloud)
    with pytest.raises(StepFailed, match=WHY_NOT) as refused:
        bake.apply(made, world.cloud, heard)
    assert "start ComfyUI" in str(refused.value)
    assert heard.text.count(WHY_NOT) >= 3
    assert world.lab.parameter(IMAGE_PARAMETER) == before
    assert world.cloud.machines.tagged({names.ROLE_TAG: names.BAKE_ROLE}) == []
    [launched] = [step.split()[2] for step in heard.steps if step.startswith("Waiting for i-")]
    assert launched not in world.lab.machines.running
    assert world.cloud.images.tagged(fleet_tags(STAGE, FLEET)) == []


def test_a_roll_to_an_image_whose_comfyui_does_not_start_brings_the_old_one_back(world: World) -> None:
    old = world.settle(2)
    first, second = world.enqueue(), world.enqueue()
    holders = {world.holder(first), world.holder(second)}
    assert holders == set(old)
    with rolling(world, world.broken, canary_seconds=80) as running:
        canary = new_machine(world, old)
        meanwhile = world.enqueue(OPEN)
        world.let_through(first, second)
        done = [world.completed(job) for job in (first, second, meanwhile)]
        assert {job.worker_id for job in done} <= set(old)
    [receipt] = running.receipts
    assert (receipt.status, receipt.is_done) == ("rolled_back", False)
    assert f"The registration of {canary} did not come about" in receipt.reason
    assert WHY_NOT in running.heard.text
    assert world.lab.parameter(IMAGE_PARAMETER) == world.good
    settled = world.settle(2)
    assert {one.image_id for one in world.members()} == {world.good}
    assert canary not in settled
    assert all(len(world.tries(job)) == 1 for job in (first, second, meanwhile))
    world.check_nothing_is_reserved()


def test_a_roll_while_jobs_run_loses_none_and_charges_none_twice(world: World) -> None:
    image_id = world.lab.register_image("better", world.lab.machines.image_folder(world.good))
    [old] = world.settle(1)
    root = world.machine(old).root
    running_job, queued = world.enqueue(), [world.enqueue(OPEN) for _ in range(3)]
    assert world.holder(running_job) == old
    with rolling(world, image_id, canary_seconds=3000) as running:
        new = new_machine(world, [old])
        for job in queued:
            assert world.completed(job).worker_id == new
        assert world.tries(running_job) == [(old, None, "")]
        world.let_through(running_job)
        assert world.completed(running_job).worker_id == old
    [receipt] = running.receipts
    assert (receipt.status, receipt.canary, receipt.is_done) == ("succeeded", new, True)
    assert receipt.job_id is not None
    assert world.tries(receipt.job_id) == [(new, JobEvent.COMPLETED, "")]
    assert sum(amount for _, amount in world.charges(receipt.job_id)) == 0
    assert [one.instance_id for one in world.members()] == [new]
    assert processes_of(root) == []
    assert all(len(world.tries(job)) == 1 for job in (running_job, *queued))
    world.check_nothing_is_reserved()
    world.cloud.parameters.put(IMAGE_PARAMETER, world.good, kind=ParameterKind.IMAGE)
