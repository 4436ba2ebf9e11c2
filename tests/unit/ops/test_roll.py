from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.support.clouds.commands import say
from tests.support.clouds.fleet import FLEET, GROUP, IMAGE_PARAMETER, STAGE, MemoryCloud, Recorder

from comfyfleet.cloud.errors import GroupNotFound, RollRunning
from comfyfleet.cloud.fleet_ports import ParameterKind, RollChoices
from comfyfleet.ops.errors import CanaryFailed, ImageUnknown, RollUnsafe, StepFailed
from comfyfleet.ops.roll import RollOrder, apply, canary_percent, look, plan

ORDER = RollOrder(STAGE, FLEET)


@dataclass
class Machines:
    """What a control plane would say of machines: each is registered after a while, and renders, or doesn't."""

    memory: MemoryCloud
    registers: bool = True
    renders: bool = True
    proved: list[str] = field(default_factory=list)
    state_when_proved: list[tuple[int, str]] = field(default_factory=list)

    def is_registered(self, instance_id: str) -> bool:
        return self.registers

    def render(self, instance_id: str, *, among: int, timeout_seconds: float) -> int:
        roll = self.memory.rolls.look(GROUP)
        assert roll is not None
        self.state_when_proved.append((roll.percent, roll.status.value))
        self.proved.append(instance_id)
        if not self.renders:
            raise CanaryFailed("The job failed there.")
        return 42


@pytest.fixture
def proof(memory: MemoryCloud) -> Machines:
    return Machines(memory)


@pytest.fixture
def new_image(memory: MemoryCloud) -> str:
    """Four machines of the first image, and a newer one in the parameter."""
    for _ in range(4):
        memory.groups.join(memory.image_id)
    image = memory.images.add("second")
    memory.parameters.put(IMAGE_PARAMETER, image, kind=ParameterKind.IMAGE)
    return image


def images(memory: MemoryCloud) -> set[str]:
    return set(memory.groups.members.values())


def test_all_machines_are_replaced_once_the_first_has_proved_itself(
    memory: MemoryCloud, reporter: Recorder, proof: Machines, new_image: str
) -> None:
    made = plan(ORDER, memory.cloud)
    assert (made.previous_image_id, made.size, made.choices.checkpoints) == (memory.image_id, 4, (25, 100))
    assert memory.rolls.started == []
    receipt = apply(made, memory.cloud, reporter, proof)
    assert (receipt.status, receipt.job_id, receipt.is_done) == ("succeeded", 42, True)
    assert proof.state_when_proved == [(25, "running")]
    assert images(memory) == {new_image}
    assert set(made.old).isdisjoint(memory.groups.members)
    assert "100 % of" in reporter.steps[-1]


@pytest.mark.parametrize("fault", [{"renders": False}, {"registers": False}])
def test_a_canary_that_fails_brings_the_old_image_back(
    memory: MemoryCloud, reporter: Recorder, proof: Machines, new_image: str, fault: dict[str, Any]
) -> None:
    receipt = apply(plan(ORDER, memory.cloud), memory.cloud, reporter, replace(proof, **fault))
    assert (receipt.status, receipt.is_done) == ("rolled_back", False)
    assert receipt.reason
    assert memory.image_in_parameter() == memory.image_id
    assert images(memory) == {memory.image_id}
    assert memory.rolls.started[-1] == RollChoices()


def test_a_canary_that_fails_is_asked_what_it_says_while_it_is_there(
    memory: MemoryCloud, reporter: Recorder, proof: Machines, new_image: str
) -> None:
    memory.commands.programs = {"journalctl": say("No module named torch"), "tail": say("a boot came to its end")}
    apply(plan(ORDER, memory.cloud), memory.cloud, reporter, replace(proof, registers=False))
    assert "No module named torch" in reporter.text
    assert "a boot came to its end" in reporter.text
    asked = next(index for index, step in enumerate(reporter.steps) if step.startswith("Asking"))
    assert reporter.steps[asked + 1].startswith("Taking the roll back")


def test_a_canary_that_says_nothing_is_taken_back_all_the_same(
    memory: MemoryCloud, reporter: Recorder, proof: Machines, new_image: str
) -> None:
    memory.commands.is_never_reachable = True
    receipt = apply(plan(ORDER, memory.cloud), memory.cloud, reporter, replace(proof, registers=False))
    assert receipt.status == "rolled_back"
    assert "It says nothing" in reporter.text


@pytest.mark.parametrize("step", ["Waiting for the first", "Waiting for the worker", "Rendering"])
def test_an_interrupt_before_the_proof_takes_the_roll_back(
    memory: MemoryCloud, proof: Machines, new_image: str, step: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        apply(plan(ORDER, memory.cloud), memory.cloud, Recorder(step), proof)
    assert memory.image_in_parameter() == memory.image_id
    assert images(memory) == {memory.image_id}


def test_an_interrupt_after_the_proof_lets_the_roll_go_on(memory: MemoryCloud, proof: Machines, new_image: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        apply(plan(ORDER, memory.cloud), memory.cloud, Recorder("50 %"), proof)
    memory.clock.sleep(3600)
    assert images(memory) == {new_image}
    assert memory.image_in_parameter() == new_image


def test_a_fleet_without_machines_has_nothing_to_replace(
    memory: MemoryCloud, reporter: Recorder, proof: Machines
) -> None:
    made = plan(ORDER, memory.cloud)
    assert "no machine" in made.steps[0]
    receipt = apply(made, memory.cloud, reporter, proof)
    assert (receipt.status, receipt.is_done, memory.rolls.started) == ("nothing_to_do", True, [])


def test_machines_of_the_image_stay(memory: MemoryCloud, reporter: Recorder, proof: Machines) -> None:
    memory.groups.join(memory.image_id)
    made = plan(ORDER, memory.cloud)
    assert "already" in made.steps[0]
    assert apply(made, memory.cloud, reporter, proof).status == "nothing_to_do"


def test_one_machine_is_its_own_canary(memory: MemoryCloud, reporter: Recorder, proof: Machines) -> None:
    memory.groups.join(memory.image_id)
    memory.parameters.put(IMAGE_PARAMETER, memory.images.add("second"))
    made = plan(ORDER, memory.cloud)
    assert made.choices.checkpoints == (100,)
    assert apply(made, memory.cloud, reporter, replace(proof, renders=False)).status == "rolled_back"
    assert images(memory) == {memory.image_id}


def test_a_roll_that_is_not_waited_for_is_only_started(memory: MemoryCloud, reporter: Recorder, new_image: str) -> None:
    receipt = apply(plan(ORDER, memory.cloud), memory.cloud, reporter, None, waits=False)
    assert (receipt.status, receipt.roll_id) == ("started", "roll-1")
    roll = look(STAGE, FLEET, memory.cloud)
    assert roll is not None
    assert not roll.status.is_over
    with pytest.raises(RollRunning):
        plan(ORDER, memory.cloud)


def test_no_proof_replaces_all(memory: MemoryCloud, reporter: Recorder, new_image: str) -> None:
    assert apply(plan(ORDER, memory.cloud), memory.cloud, reporter, None).status == "succeeded"
    assert images(memory) == {new_image}


def test_a_roll_that_the_cloud_ends_before_the_proof_is_taken_back(
    memory: MemoryCloud, reporter: Recorder, proof: Machines, new_image: str
) -> None:
    made = plan(ORDER, memory.cloud)
    memory.clock.on_sleep.append(lambda _: memory.rolls.cancel(GROUP) if not memory.parameters.writes[1:] else None)
    receipt = apply(made, memory.cloud, reporter, proof)
    assert receipt.status == "rolled_back"
    assert "canceled before a machine was new" in receipt.reason


def test_a_roll_that_the_cloud_ends_later_is_told(
    memory: MemoryCloud, reporter: Recorder, proof: Machines, new_image: str
) -> None:
    memory.rolls.fails_from = 2
    with pytest.raises(StepFailed, match="ended as failed: An instance failed"):
        apply(plan(ORDER, memory.cloud), memory.cloud, reporter, proof)


def test_without_the_old_image_there_is_a_warning_and_no_way_back(
    memory: MemoryCloud, reporter: Recorder, proof: Machines, new_image: str
) -> None:
    memory.images.delete(memory.image_id)
    made = plan(ORDER, memory.cloud)
    assert "cannot go back" in made.warnings[0]
    with pytest.raises(CanaryFailed):
        apply(made, memory.cloud, reporter, replace(proof, renders=False))
    assert memory.image_in_parameter() == new_image
    memory.clock.sleep(300)
    assert len(memory.rolls.started) == 1


def test_a_parameter_that_changed_since_the_plan_is_not_rolled_to(
    memory: MemoryCloud, reporter: Recorder, proof: Machines, new_image: str
) -> None:
    made = plan(ORDER, memory.cloud)
    memory.parameters.put(IMAGE_PARAMETER, memory.image_id)
    with pytest.raises(RollUnsafe):
        apply(made, memory.cloud, reporter, proof)
    assert memory.rolls.started == []


def test_what_cannot_be_rolled_is_told(memory: MemoryCloud, new_image: str) -> None:
    with pytest.raises(ImageUnknown):
        plan(replace(ORDER, previous_image_id="ami-0123456789abcdef0"), memory.cloud)
    memory.groups.exists = False
    with pytest.raises(GroupNotFound):
        plan(ORDER, memory.cloud)


@pytest.mark.parametrize(("size", "percent"), [(1, 100), (2, 50), (3, 33), (4, 25), (7, 14), (150, 1), (0, 100)])
def test_one_machine_reaches_the_first_checkpoint(size: int, percent: int) -> None:
    assert canary_percent(size) == percent
