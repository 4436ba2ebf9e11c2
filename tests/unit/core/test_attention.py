from typing import Any

import pytest

from comfyfleet.core.attention import Finding, FleetCondition, Limits, Matter, Refusal, Severity, attention

LIMITS = Limits(oldest_seconds=600)


def fleet(**changes: Any) -> FleetCondition:
    well: dict[str, Any] = {
        "fleet": "local/gpu",
        "queued": 0,
        "oldest_seconds": 0,
        "workers": 1,
        "draining": 0,
        "lost": [],
        "completed": 100,
        "failed": 0,
        "workflows_without_bundle": [],
    }
    return FleetCondition(**{**well, **changes})


def found(*fleets: FleetCondition, quarantined: int = 0) -> list[Finding]:
    return attention(fleets, quarantined, LIMITS)


def test_where_all_is_well_nothing_needs_attention() -> None:
    assert found(fleet(), fleet(queued=5, oldest_seconds=30)) == []


def test_jobs_without_a_worker_are_the_most_urgent() -> None:
    [finding] = found(fleet(queued=2, oldest_seconds=20, workers=0))
    assert (finding.severity, finding.matter) == (Severity.CRITICAL, Matter.NO_WORKER)
    assert finding.words == "2 jobs wait, and no worker is there to take one."
    assert "Start a worker" in finding.advice


def test_a_worker_that_is_starting_has_a_moment() -> None:
    assert found(fleet(queued=1, oldest_seconds=5, workers=0)) == []


def test_a_fleet_that_only_drains_is_told_so() -> None:
    [finding] = found(fleet(queued=1, oldest_seconds=20, workers=0, draining=1))
    assert finding.words == "1 job waits, and no worker is there to take one. 1 worker only finishes jobs."
    assert finding.advice.startswith("Activate a worker that drains")


def test_a_job_that_waits_for_long_is_told_of_where_there_are_workers() -> None:
    [finding] = found(fleet(queued=3, oldest_seconds=725))
    assert (finding.severity, finding.matter) == (Severity.WARNING, Matter.JOBS_WAIT_LONG)
    assert finding.words == "3 jobs wait, the first of them for 12 min 5 s."


def test_a_worker_that_is_refused_is_told_with_the_reason_and_what_to_do() -> None:
    [finding] = found(fleet(refused=Refusal("i-1", "The fleet secret is wrong.", "Compare them.")))
    assert (finding.severity, finding.matter) == (Severity.WARNING, Matter.WORKER_REFUSED)
    assert finding.words == "i-1 asks to be let in and is refused. The fleet secret is wrong."
    assert finding.advice == "Compare them."


def test_of_many_lost_workers_some_are_named() -> None:
    [finding] = found(fleet(lost=[f"i-{number}" for number in range(5)]))
    assert finding.words == "i-0, i-1, i-2 and 2 more fell silent without saying goodbye."


@pytest.mark.parametrize(
    ("completed", "failed", "severity", "matter"),
    [
        (1, 9, Severity.CRITICAL, Matter.JOBS_FAIL),
        (15, 5, Severity.WARNING, Matter.JOBS_FAIL),
        (99, 1, Severity.NOTICE, Matter.JOBS_FAILED),
        (0, 1, Severity.NOTICE, Matter.JOBS_FAILED),
    ],
)
def test_failures_are_as_urgent_as_their_share(completed: int, failed: int, severity: Severity, matter: Matter) -> None:
    [finding] = found(fleet(completed=completed, failed=failed))
    assert (finding.severity, finding.matter) == (severity, matter)
    assert f"of {completed + failed} failed in the last hour" in finding.words


def test_a_fleet_without_the_bundle_that_its_workflows_need_is_told() -> None:
    [finding] = found(fleet(workflows_without_bundle=["portrait"]))
    assert finding.words == "portrait needs models, and the fleet points to no bundle."


def test_quarantined_assets_are_of_no_fleet() -> None:
    [finding] = found(quarantined=1)
    assert (finding.severity, finding.fleet) == (Severity.NOTICE, "")
    assert finding.words.startswith("1 asset is quarantined")


def test_the_most_urgent_comes_first_and_fleets_in_their_order() -> None:
    worse = fleet(fleet="b", queued=1, oldest_seconds=99, workers=0, lost=["i-1"])
    findings = found(fleet(fleet="c", failed=1), worse, fleet(fleet="a", lost=["i-2"]), quarantined=2)
    assert [(finding.matter, finding.fleet) for finding in findings] == [
        (Matter.NO_WORKER, "b"),
        (Matter.WORKERS_LOST, "a"),
        (Matter.WORKERS_LOST, "b"),
        (Matter.ASSETS_QUARANTINED, ""),
        (Matter.JOBS_FAILED, "c"),
    ]
    assert all(finding.advice for finding in findings)
