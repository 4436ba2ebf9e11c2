"""Machines that are taken, die or start anew in the middle of a job."""

from tests.lab.breaks.world import SECONDS, World
from tests.support.fleet import eventually

from comfyfleet.core.jobs import JobEvent
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.names import Metric


def test_a_spot_notice_in_mid_job_sends_the_job_to_another_machine_uncounted(world: World) -> None:
    world.settle(2)
    job = world.enqueue()
    taken = world.holder(job)
    world.lab.interrupt(taken)
    other = world.holder(job, other_than=taken)
    world.let_through(job)
    assert world.completed(job).attempt == 1
    assert world.tries(job) == [(taken, JobEvent.REQUEUED, "spot-interruption"), (other, JobEvent.COMPLETED, "")]
    eventually(lambda: world.plane.worker(taken).status is WorkerStatus.DEREGISTERED, SECONDS)
    assert "this spot machine is taken away" in world.told(taken)
    eventually(lambda: world.counted(Metric.SPOT_INTERRUPTION_COUNT) == 1, SECONDS)
    assert world.counted(Metric.LEASE_EXPIRED_COUNT) == 0
    world.check_nothing_is_reserved()


def test_a_machine_that_dies_loses_its_job_to_the_machine_that_replaces_it(world: World) -> None:
    world.settle(2)
    job, beside = world.enqueue(), world.enqueue()
    dead, busy = world.holder(job), world.holder(beside)
    world.lab.lose(dead)
    replacement = world.holder(job, other_than=dead)
    assert replacement not in {dead, busy}
    lost = f"{dead} fell silent without saying goodbye."
    eventually(lambda: lost in world.attention(), SECONDS)
    assert world.plane.worker(dead).status is WorkerStatus.LOST
    world.let_through(job, beside)
    assert world.completed(job).attempt == 2
    assert world.tries(job) == [
        (dead, JobEvent.LEASE_EXPIRED, "The worker went silent while it rendered."),
        (replacement, JobEvent.COMPLETED, ""),
    ]
    assert world.completed(beside).attempt == 1
    world.check_nothing_is_reserved()


def test_a_reboot_in_mid_job_puts_the_job_back_and_the_machine_renders_it_again(world: World) -> None:
    world.settle(2)
    job, beside = world.enqueue(), world.enqueue()
    rebooted = world.holder(job)
    machine, boots = world.machine(rebooted), world.boots(rebooted)
    before = (machine.address, (machine.root / "var/log/cloud-init-output.log").read_text())
    registered_at = world.plane.worker(rebooted).registered_at
    world.lab.client("ec2").reboot_instances(InstanceIds=[rebooted])
    eventually(lambda: world.plane.worker(rebooted).registered_at > registered_at, SECONDS)
    assert world.holder(job) == rebooted
    assert world.boots(rebooted) == boots + 1
    assert (machine.address, (machine.root / "var/log/cloud-init-output.log").read_text()) == before
    world.let_through(job, beside)
    assert world.completed(job).attempt == 1
    assert world.tries(job) == [
        (rebooted, JobEvent.REQUEUED, "The worker was told to stop."),
        (rebooted, JobEvent.COMPLETED, ""),
    ]
    assert world.completed(beside).attempt == 1
    assert "putting back what is unfinished" in world.told(rebooted)
    world.check_nothing_is_reserved()


def test_a_machine_that_crashes_and_comes_back_renders_its_job_again_uncounted(world: World) -> None:
    [crashed] = world.settle(1)
    world.lengthen_leases(crashed)
    job = world.enqueue()
    assert world.holder(job) == crashed
    world.lab.crash(crashed)
    eventually(lambda: len(world.tries(job)) == 2, SECONDS)
    world.let_through(job)
    assert world.completed(job).attempt == 1
    assert world.tries(job) == [
        (crashed, JobEvent.REQUEUED, "The worker registered again."),
        (crashed, JobEvent.COMPLETED, ""),
    ]
    world.check_nothing_is_reserved()
