from datetime import UTC, datetime, timedelta

from comfyfleet.core.attempts import Attempt, Moment, attempts_of
from comfyfleet.core.jobs import JobEvent

START = datetime(2026, 2, 20, 12, tzinfo=UTC)


def timeline(*lines: tuple[JobEvent, int, str]) -> list[Moment]:
    return [Moment(at(index), *line) for index, line in enumerate(lines)]


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def test_each_lease_is_an_attempt_with_its_end() -> None:
    lines = timeline(
        (JobEvent.QUEUED, 0, ""),
        (JobEvent.LEASED, 1, "i-1"),
        (JobEvent.STARTED, 1, "i-1"),
        (JobEvent.RETRIED, 1, "out of memory"),
        (JobEvent.LEASED, 2, "i-2"),
        (JobEvent.CANCEL_REQUESTED, 2, ""),
        (JobEvent.COMPLETED, 2, ""),
    )
    assert attempts_of(lines) == [
        Attempt(1, "i-1", at(1), at(2), at(3), JobEvent.RETRIED, "out of memory"),
        Attempt(2, "i-2", at(4), None, at(6), JobEvent.COMPLETED),
    ]


def test_the_last_attempt_may_go_on() -> None:
    assert attempts_of(timeline((JobEvent.QUEUED, 0, ""), (JobEvent.LEASED, 1, "i-1"))) == [Attempt(1, "i-1", at(1))]


def test_a_job_that_was_canceled_in_the_queue_had_no_attempt() -> None:
    assert attempts_of(timeline((JobEvent.QUEUED, 0, ""), (JobEvent.CANCELED, 0, ""))) == []


def test_a_requeued_attempt_keeps_its_end_when_the_job_is_canceled_later() -> None:
    lines = timeline((JobEvent.LEASED, 1, "i-1"), (JobEvent.REQUEUED, 1, "stopped"), (JobEvent.CANCELED, 0, ""))
    assert attempts_of(lines) == [Attempt(1, "i-1", at(0), None, at(1), JobEvent.REQUEUED, "stopped")]
