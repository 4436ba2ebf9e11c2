"""The credit ledger: append-only entries from which every balance follows."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from comfyfleet.core.errors import Conflict, ErrorKind, FleetError


class EntryKind(StrEnum):
    """What an entry does. A job has at most one of each, and never both `consume` and `refund`."""

    GRANT = "grant"
    RESERVE = "reserve"
    CONSUME = "consume"
    REFUND = "refund"


@dataclass(frozen=True)
class Balance:
    """Credits of a tenant: what it can spend, what running jobs hold, and what was spent, in whole credits."""

    available: int
    reserved: int
    consumed: int


class CreditsInsufficient(FleetError):
    """The tenant has too few credits; answered with 402."""

    kind = ErrorKind.FORBIDDEN
    code = "credits_insufficient"


class LedgerConflict(Conflict):
    """A job's credits were already settled the other way."""

    code = "ledger_conflict"


def balance_of(totals: Iterable[tuple[EntryKind, int]]) -> Balance:
    """Derive the balance from (kind, amount) pairs; amounts are never negative."""
    total = dict.fromkeys(EntryKind, 0)
    for kind, amount in totals:
        total[kind] += amount
    settled = total[EntryKind.CONSUME] + total[EntryKind.REFUND]
    return Balance(
        available=total[EntryKind.GRANT] - total[EntryKind.RESERVE] + total[EntryKind.REFUND],
        reserved=total[EntryKind.RESERVE] - settled,
        consumed=total[EntryKind.CONSUME],
    )


def check_affordable(balance: Balance, cost: int) -> None:
    """Raise `CreditsInsufficient` unless `cost` can be reserved."""
    if cost > balance.available:
        raise CreditsInsufficient(
            f"This costs {cost} credits and you have {balance.available}.",
            hint="Ask your administrator for more credits, or wait until running jobs are settled.",
        )
