"""Machines that the control plane does not let in, while another one works."""

import secrets
from collections.abc import Iterator

import pytest
from tests.lab.breaks.stage import SECRET_PARAMETER
from tests.lab.breaks.world import OPEN, SECONDS, World
from tests.support.fleet import eventually

from comfyfleet import names
from comfyfleet.core.attention import Matter
from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.workers import WorkerStatus

ELSEWHERE = "999999999999"


@pytest.fixture
def shift(world: World) -> Iterator[tuple[str, int]]:
    """Give an idle machine, and the job that the other one is busy with; afterwards both machines work again."""
    first, second = world.settle(2)
    secret = world.lab.parameter(SECRET_PARAMETER)
    busy_with = world.enqueue()
    busy = world.holder(busy_with)
    idle = second if busy == first else first
    yield idle, busy_with
    world.let_through(busy_with)
    put_secret(world, secret)
    world.lab.show_account(idle, world.lab.account)
    world.boot(idle)
    eventually(lambda: idle in world.active(), SECONDS)
    assert not [one for one in world.plane.attention() if one.matter is Matter.WORKER_REFUSED]


def put_secret(world: World, secret: str) -> None:
    """Write what machines that boot from now on show."""
    world.lab.client("ssm").put_parameter(Name=SECRET_PARAMETER, Value=secret, Type="String", Overwrite=True)


def await_refusals(world: World, instance_id: str, why: str) -> None:
    """Wait until a machine's worker was refused twice more: it starts again and again."""
    words = f"The control plane does not let this worker in: {why}"
    wanted = world.journal(instance_id).count(words) + 2
    eventually(lambda: world.journal(instance_id).count(words) >= wanted, SECONDS)


def check_gets_no_job(world: World, refused: str, busy_with: int, why: str) -> None:
    """See that a job waits for the other machine, and that operators are told of the one that is refused."""
    waiting = world.enqueue(OPEN)
    await_refusals(world, refused, why)
    told = [f"{one.words} {one.advice}" for one in world.plane.attention() if one.matter is Matter.WORKER_REFUSED]
    assert told == [f"{refused} asks to be let in and is refused. {why}"]
    assert world.plane.worker(refused).status is WorkerStatus.DEREGISTERED
    assert world.job(waiting).status is JobStatus.QUEUED
    world.let_through(busy_with)
    for job in (busy_with, waiting):
        assert refused not in {worker_id for worker_id, _, _ in world.tries(world.completed(job).id)}
    world.check_nothing_is_reserved()


def test_a_machine_with_a_wrong_fleet_secret_gets_no_job_and_says_what_to_compare(
    world: World, shift: tuple[str, int]
) -> None:
    machine, busy_with = shift
    put_secret(world, secrets.token_hex(32))
    world.boot(machine)
    why = "The fleet secret is wrong. Compare the worker's FLEET_SECRET with the control plane's."
    await_refusals(world, machine, why)
    check_gets_no_job(world, machine, busy_with, why)


def test_a_machine_of_another_account_gets_no_job_though_it_has_the_secret(
    world: World, shift: tuple[str, int]
) -> None:
    machine, busy_with = shift
    world.lab.show_account(machine, ELSEWHERE)
    world.run(machine, f"systemctl restart {names.WORKER_SERVICE}")
    why = f"The machine belongs to the account {ELSEWHERE}. AWS_ACCOUNT_ID is the one that may."
    await_refusals(world, machine, why)
    check_gets_no_job(world, machine, busy_with, why)
