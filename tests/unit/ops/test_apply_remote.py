import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
from tests.support.clouds.commands import say, write_programs
from tests.support.clouds.fleet import BUCKET, STAGE, MemoryCloud, Recorder

from comfyfleet.cloud.errors import MachineUnreachable
from comfyfleet.ops.apply_remote import ApplyOrder, apply, plan, script_of
from comfyfleet.ops.errors import MachineUnknown, StepFailed, TargetInvalid
from comfyfleet.ops.remote import Script, demand

BUNDLE = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"


@pytest.fixture
def machine(memory: MemoryCloud) -> str:
    return memory.up(role="dev-node")


def order(machine: str, **changes: str) -> ApplyOrder:
    return replace(ApplyOrder(machine, f"bundles/{BUNDLE}"), **changes)


def applier(memory: MemoryCloud, machine: str, program: str) -> None:
    write_programs(memory.commands.disk(machine) / "opt/comfyui/bin", {"apply-bundle.sh": program})


def test_the_command_is_the_runbooks(memory: MemoryCloud, machine: str) -> None:
    made = plan(order(machine), memory.cloud)
    assert (made.stage, made.models_bucket) == (STAGE, BUCKET)
    assert script_of(made).text == (
        f"MODELS_BUCKET={BUCKET} BUNDLE_PREFIX=bundles/{BUNDLE} /opt/comfyui/bin/apply-bundle.sh"
    )
    assert script_of(made).log_prefix == f"asset-sync/{STAGE}/{machine}"
    assert memory.commands.sent == []


def test_the_output_and_the_exit_code_are_the_programs(memory: MemoryCloud, machine: str, reporter: Recorder) -> None:
    applier(memory, machine, 'echo "$MODELS_BUCKET $BUNDLE_PREFIX"; echo "to stderr" >&2; exit 6')
    receipt = apply(plan(order(machine), memory.cloud), memory.cloud, reporter)
    assert (receipt.exit_code, receipt.status) == (6, "failed")
    assert reporter.text == f"{BUCKET} bundles/{BUNDLE}\nto stderr\n"
    assert list((memory.commands.disk(machine) / "tmp").iterdir()) == []


def test_the_output_is_told_while_the_program_runs(memory: MemoryCloud, machine: str, reporter: Recorder) -> None:
    applier(memory, machine, 'echo first; until [ -e "$ROOT/go" ]; do sleep 0.02; done; echo last')
    go = memory.commands.disk(machine) / "go"

    def once_told(_: float) -> None:
        if reporter.text == "first\n":
            go.touch()

    memory.clock.on_sleep.append(once_told)
    assert apply(plan(order(machine), memory.cloud), memory.cloud, reporter).exit_code == 0
    assert reporter.text == "first\nlast\n"


def test_nothing_is_lost_of_more_than_the_cloud_shows(memory: MemoryCloud, machine: str, reporter: Recorder) -> None:
    applier(memory, machine, 'for n in $(seq 9000); do echo "line $n \N{LATIN SMALL LETTER E WITH ACUTE}"; done')
    apply(plan(order(machine), memory.cloud), memory.cloud, reporter)
    assert reporter.text.splitlines() == [f"line {n} \N{LATIN SMALL LETTER E WITH ACUTE}" for n in range(1, 9001)]


def test_an_interrupt_that_is_meant_ends_the_program(memory: MemoryCloud, machine: str, reporter: Recorder) -> None:
    applier(memory, machine, 'echo $$ > "$ROOT/new" && mv "$ROOT/new" "$ROOT/pid"; exec sleep 600')
    pid_file = memory.commands.disk(machine) / "pid"
    memory.clock.on_sleep.append(interrupt_once(pid_file.exists))
    with pytest.raises(KeyboardInterrupt):
        apply(plan(order(machine), memory.cloud), memory.cloud, reporter, is_to_cancel=lambda: True)
    assert len(memory.commands.canceled) == 1
    assert has_ended(int(pid_file.read_text()))


def test_an_interrupt_that_is_not_meant_changes_nothing(memory: MemoryCloud, machine: str, reporter: Recorder) -> None:
    applier(memory, machine, 'until [ -e "$ROOT/go" ]; do sleep 0.02; done; echo done')
    go = memory.commands.disk(machine) / "go"
    memory.clock.on_sleep.extend([interrupt_once(), lambda _: go.touch()])
    receipt = apply(plan(order(machine), memory.cloud), memory.cloud, reporter, is_to_cancel=lambda: False)
    assert (receipt.exit_code, memory.commands.canceled, reporter.text) == (0, [], "done\n")


def test_what_could_reach_a_shell_is_refused(memory: MemoryCloud, machine: str) -> None:
    for wrong in (
        order("i-0; reboot"),
        order(machine, bundle="bundles/x; reboot"),
        order(machine, bundle=f"../{BUNDLE}"),
        order(machine, models_bucket="b$(reboot)"),
    ):
        with pytest.raises(TargetInvalid):
            plan(wrong, memory.cloud)


def test_a_machine_of_another_fleet_is_refused(memory: MemoryCloud, machine: str) -> None:
    with pytest.raises(TargetInvalid, match="fleet is 'gpu-default', not 'gpu-b'"):
        plan(order(machine, fleet_slug="gpu-b"), memory.cloud)


def test_a_machine_without_tags_needs_names(memory: MemoryCloud) -> None:
    bare = memory.machines.add(memory.image_id, {})
    memory.clock.sleep(300)
    with pytest.raises(TargetInvalid, match="no tag that names its stage"):
        plan(order(bare), memory.cloud)
    assert plan(order(bare, stage=STAGE, fleet_slug="gpu-default"), memory.cloud).stage == STAGE


def test_a_machine_that_serves_is_warned_of(memory: MemoryCloud) -> None:
    assert "serves the fleet" in plan(order(memory.up()), memory.cloud).warnings[0]


def test_machines_that_are_not_there_or_do_not_answer_are_told(memory: MemoryCloud, machine: str) -> None:
    with pytest.raises(MachineUnknown):
        plan(order("i-0123456789abcdef0"), memory.cloud)
    memory.commands.is_never_reachable = True
    with pytest.raises(MachineUnreachable):
        plan(order(machine), memory.cloud)
    memory.machines.stop(machine)
    with pytest.raises(StepFailed, match="is stopped"):
        plan(order(machine), memory.cloud)


def test_a_failed_step_names_its_last_lines(memory: MemoryCloud, machine: str, reporter: Recorder) -> None:
    script = Script(machine, say("one", "two", code=3), "try", 60, "asset-sync/x")
    with pytest.raises(StepFailed, match=r"'try' failed .* \(exit code 3\): one \| two"):
        demand(memory.cloud, reporter, script)


def has_ended(pid: int) -> bool:
    """Wait until a process that nobody here may wait for is over."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def interrupt_once(may_press: Callable[[], bool] = lambda: True) -> Callable[[float], None]:
    """Return what presses Ctrl-C at the first pause in which it may."""
    pressed: list[bool] = []

    def press(_: float) -> None:
        if not pressed and may_press():
            pressed.append(True)
            raise KeyboardInterrupt

    return press
