import pytest

from comfyfleet.core.workers import WorkerAct, WorkerActRefused, WorkerStatus, acts_in, status_after

ACTIVE, DRAINING, LOST, GONE, REVOKED = WorkerStatus


def test_a_worker_drains_and_is_activated_again() -> None:
    assert status_after(WorkerAct.DRAIN, ACTIVE) is DRAINING
    assert status_after(WorkerAct.ACTIVATE, DRAINING) is ACTIVE


def test_a_lost_worker_can_be_told_to_drain_when_it_comes_back() -> None:
    assert status_after(WorkerAct.DRAIN, LOST) is DRAINING


@pytest.mark.parametrize("status", WorkerStatus)
def test_any_worker_can_be_revoked_and_then_only_restored(status: WorkerStatus) -> None:
    assert status_after(WorkerAct.REVOKE, status) is REVOKED
    assert acts_in(REVOKED) == [WorkerAct.RESTORE]
    assert status_after(WorkerAct.RESTORE, REVOKED) is GONE


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (WorkerAct.ACTIVATE, LOST),
        (WorkerAct.ACTIVATE, REVOKED),
        (WorkerAct.DRAIN, GONE),
        (WorkerAct.DRAIN, REVOKED),
        (WorkerAct.RESTORE, ACTIVE),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(act: WorkerAct, status: WorkerStatus) -> None:
    with pytest.raises(WorkerActRefused, match=f"{status} cannot be told to {act}") as refused:
        status_after(act, status)
    assert refused.value.hint


def test_what_is_so_already_stays_so_and_is_not_offered() -> None:
    assert status_after(WorkerAct.DRAIN, DRAINING) is DRAINING
    assert acts_in(DRAINING) == [WorkerAct.ACTIVATE, WorkerAct.REVOKE]
    assert acts_in(ACTIVE) == [WorkerAct.DRAIN, WorkerAct.REVOKE]
