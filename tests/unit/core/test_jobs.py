"""Leases, retries and balances."""

from datetime import UTC, datetime, timedelta

import pytest

from comfyfleet.core.credits import CreditsInsufficient, EntryKind, balance_of, check_affordable
from comfyfleet.core.jobs import LeaseTimes, lease_until
from comfyfleet.core.retry import AttemptEnd, Decision, Verdict, decide
from comfyfleet.core.secrets import SecretRefused, check_secret, hash_token, new_token, same_secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("capabilities", "seconds"),
    [
        ({}, 3600),
        ({"heartbeat_interval_seconds": 10}, 40),
        ({"heartbeat_interval_seconds": 1}, 20),
        ({"heartbeat_interval_seconds": 10_000}, 3600),
        ({"heartbeat_interval_seconds": 0}, 3600),
        ({"heartbeat_interval_seconds": "5"}, 3600),
        ({"heartbeat_interval_seconds": True}, 3600),
    ],
)
def test_a_lease_is_long_unless_the_worker_promises_heartbeats(capabilities: dict[str, object], seconds: int) -> None:
    assert lease_until(NOW, capabilities, LeaseTimes()) == NOW + timedelta(seconds=seconds)


def verdict(end: AttemptEnd, attempt: int = 1, *, is_cancel_requested: bool = False) -> Decision:
    return decide(end, attempt=attempt, max_attempts=3, is_cancel_requested=is_cancel_requested, now=NOW)


def test_a_failure_for_good_is_not_retried() -> None:
    assert verdict(AttemptEnd.FAILED).verdict is Verdict.FAIL


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5), (2, 10)])
def test_a_retryable_failure_waits_longer_each_time(attempt: int, seconds: int) -> None:
    decision = verdict(AttemptEnd.FAILED_RETRYABLE, attempt)
    assert decision == Decision(Verdict.REQUEUE, available_at=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("end", [AttemptEnd.FAILED_RETRYABLE, AttemptEnd.LEASE_EXPIRED])
def test_the_last_attempt_fails_the_job(end: AttemptEnd) -> None:
    assert verdict(end, attempt=3).verdict is Verdict.FAIL


def test_a_hand_back_never_counts() -> None:
    assert verdict(AttemptEnd.HANDED_BACK, attempt=3) == Decision(
        Verdict.REQUEUE, counts_attempt=False, available_at=NOW
    )


@pytest.mark.parametrize("end", list(AttemptEnd))
def test_a_canceled_job_ends_with_its_attempt(end: AttemptEnd) -> None:
    assert verdict(end, is_cancel_requested=True).verdict is Verdict.CANCEL


def test_a_balance_follows_from_the_entries() -> None:
    entries = [
        (EntryKind.GRANT, 100),
        (EntryKind.RESERVE, 5),
        (EntryKind.RESERVE, 7),
        (EntryKind.RESERVE, 2),
        (EntryKind.CONSUME, 5),
        (EntryKind.REFUND, 7),
    ]
    balance = balance_of(entries)
    assert (balance.available, balance.reserved, balance.consumed) == (93, 2, 5)


def test_what_can_be_afforded_is_what_is_available() -> None:
    balance = balance_of([(EntryKind.GRANT, 5)])
    check_affordable(balance, 5)
    with pytest.raises(CreditsInsufficient, match="costs 6 credits and you have 5"):
        check_affordable(balance, 6)


@pytest.mark.parametrize("value", ["CHANGE_ME_AFTER_DEPLOY", "short", ""])
def test_a_placeholder_or_a_short_secret_is_refused(value: str) -> None:
    with pytest.raises(SecretRefused):
        check_secret("FLEET_SECRET", value)


def test_tokens_are_long_differ_and_are_stored_as_hashes() -> None:
    first, second = new_token("cfk"), new_token("cfk")
    assert first != second
    assert len(first) > 40
    assert first not in hash_token(first)
    assert same_secret(hash_token(first), hash_token(first))
    assert not same_secret(first, second)
