"""What needs an operator's attention, the most urgent first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from comfyfleet.core.wording import count_text, span_text


class Severity(StrEnum):
    """How urgent it is: customers wait in vain, something is wrong, or somebody should know."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTICE = "notice"


class Matter(StrEnum):
    """What it is about."""

    NO_WORKER = "no_worker"
    WORKER_REFUSED = "worker_refused"
    WORKERS_LOST = "workers_lost"
    JOBS_WAIT_LONG = "jobs_wait_long"
    JOBS_FAIL = "jobs_fail"
    NO_BUNDLE = "no_bundle"
    ASSETS_QUARANTINED = "assets_quarantined"
    JOBS_FAILED = "jobs_failed"


@dataclass(frozen=True)
class Refusal:
    """A worker that was not let in: which one it says to be, why, and what to do."""

    worker_id: str
    reason: str
    advice: str


@dataclass(frozen=True)
class FleetCondition:
    """How a fleet stands. `lost` are workers that fell silent lately; jobs are those that ended in the last hour.

    `refused` is the last worker that was not let in, when that was a moment ago: such a worker asks again and again.

    `workflows_without_bundle` need models, and the fleet points to no bundle.
    """

    fleet: str
    queued: int
    oldest_seconds: float
    workers: int
    draining: int
    lost: Sequence[str]
    completed: int
    failed: int
    workflows_without_bundle: Sequence[str]
    refused: Refusal | None = None


@dataclass(frozen=True)
class Limits:
    """From where on something needs attention."""

    oldest_seconds: float
    failing_from: int = 5
    failing_share: float = 0.2
    critical_share: float = 0.5
    patience_seconds: float = 15
    """A worker that is starting has this long before its absence is told."""


@dataclass(frozen=True)
class Finding:
    """One thing that needs attention, and what to do. `fleet` is `stage/slug`, empty where it is about no fleet."""

    severity: Severity
    matter: Matter
    fleet: str
    words: str
    advice: str


_ORDER: Final = {severity: index for index, severity in enumerate(Severity)}
_MATTERS: Final = {matter: index for index, matter in enumerate(Matter)}


def attention(fleets: Iterable[FleetCondition], quarantined: int, limits: Limits) -> list[Finding]:
    """Return what needs attention, the most urgent first; `quarantined` assets wait for somebody's decision."""
    found = [finding for fleet in fleets for finding in _of_fleet(fleet, limits)]
    if quarantined:
        verb = "is" if quarantined == 1 else "are"
        found.append(
            Finding(
                Severity.NOTICE,
                Matter.ASSETS_QUARANTINED,
                "",
                f"{count_text(quarantined, 'asset')} {verb} quarantined, because loading could run code.",
                "See what was found, then release or delete: comfyfleet assets list --quarantined.",
            )
        )
    return sorted(found, key=lambda finding: (_ORDER[finding.severity], _MATTERS[finding.matter], finding.fleet))


def _of_fleet(fleet: FleetCondition, limits: Limits) -> Iterator[Finding]:
    yield from _waiting(fleet, limits)
    if refused := fleet.refused:
        words = f"{refused.worker_id} asks to be let in and is refused. {refused.reason}"
        yield Finding(Severity.WARNING, Matter.WORKER_REFUSED, fleet.fleet, words, refused.advice)
    yield from _lost(fleet)
    yield from _failing(fleet, limits)
    if names := fleet.workflows_without_bundle:
        need = "need models" if len(names) > 1 else "needs models"
        yield Finding(
            Severity.WARNING,
            Matter.NO_BUNDLE,
            fleet.fleet,
            f"{_listed(names)} {need}, and the fleet points to no bundle.",
            "Make a bundle for it (comfyfleet bundles create --for-workflow) and activate it "
            "(comfyfleet fleets activate).",
        )


def _waiting(fleet: FleetCondition, limits: Limits) -> Iterator[Finding]:
    waiting = f"{count_text(fleet.queued, 'job')} {'waits' if fleet.queued == 1 else 'wait'}"
    if fleet.queued and not fleet.workers and fleet.oldest_seconds >= limits.patience_seconds:
        draining = f" {count_text(fleet.draining, 'worker')} only finishes jobs." if fleet.draining else ""
        yield Finding(
            Severity.CRITICAL,
            Matter.NO_WORKER,
            fleet.fleet,
            f"{waiting}, and no worker is there to take one.{draining}",
            "Activate a worker that drains (comfyfleet workers list), or start one on a machine of this fleet."
            if fleet.draining
            else "Start a worker on a machine of this fleet; its log tells why when it does not register.",
        )
    elif fleet.queued and fleet.oldest_seconds >= limits.oldest_seconds:
        yield Finding(
            Severity.WARNING,
            Matter.JOBS_WAIT_LONG,
            fleet.fleet,
            f"{waiting}, the first of them for {span_text(fleet.oldest_seconds)}.",
            "Add workers to the fleet, or see what holds them up: comfyfleet workers list.",
        )


def _lost(fleet: FleetCondition) -> Iterator[Finding]:
    if fleet.lost:
        yield Finding(
            Severity.WARNING,
            Matter.WORKERS_LOST,
            fleet.fleet,
            f"{_listed(fleet.lost)} fell silent without saying goodbye.",
            "See its last words (comfyfleet workers log), and whether its machine still runs.",
        )


def _failing(fleet: FleetCondition, limits: Limits) -> Iterator[Finding]:
    if not fleet.failed:
        return
    ended = fleet.completed + fleet.failed
    share = fleet.failed / ended
    is_failing = ended >= limits.failing_from and share >= limits.failing_share
    words = f"{count_text(fleet.failed, 'job')} of {ended:,} failed in the last hour"
    advice = f"See why: comfyfleet jobs search --status failed --fleet {fleet.fleet}."
    if is_failing:
        severity = Severity.CRITICAL if share >= limits.critical_share else Severity.WARNING
        yield Finding(severity, Matter.JOBS_FAIL, fleet.fleet, f"{words}: {share:.0%}.", advice)
    else:
        yield Finding(Severity.NOTICE, Matter.JOBS_FAILED, fleet.fleet, f"{words}.", advice)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"
