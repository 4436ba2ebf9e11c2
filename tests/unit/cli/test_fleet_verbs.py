"""`fleets create, assign, activate, deactivate`: the plan, the question, what is written, and whether both agree."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from comfyfleet.protocol.api import FleetView
from comfyfleet.protocol.bundles import BundleRef, BundleView, CoverageView, PointerView
from comfyfleet.protocol.fleets import FleetPointerView

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, tzinfo=UTC)
BUNDLE_ID = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
PREFIX = f"bundles/{BUNDLE_ID}"
REF = BundleRef(bundle_id=BUNDLE_ID, name="sdxl", version=3)
PARAMETER = "/bp/local/fleets/gpu/active_bundle"
LACKING = "loras/a.safetensors: missing"
SERVING = FleetView(slug="gpu", stage="local", name="", workflows=["a", "b"], queue_depth=0)
BUNDLE_PATH, POINTER_PATH = "/api/fleets/local/gpu/bundle", "/api/fleets/local/gpu/pointer"


def told(wanted: str, found: str | None, problem: str | None = None) -> FleetPointerView:
    """What the database and the parameter say."""
    return FleetPointerView(
        fleet="local/gpu",
        parameter=PARAMETER,
        wanted=wanted,
        found=found,
        agrees=wanted == found,
        written_at=NOW,
        problem=problem,
    )


def coverage(*lacking: str) -> CoverageView:
    return CoverageView(
        fleet="local/gpu", bundle=REF, workflows=["flow"], models=[], packages=[], lacking=list(lacking)
    )


@pytest.fixture
def plane(fake_plane: "FakePlane") -> "FakePlane":
    """A plane with a bundle, on a fleet that points to none."""
    bundle = BundleView(
        bundle_id=BUNDLE_ID,
        name="sdxl",
        version=3,
        prefix=PREFIX,
        manifest_sha256="0" * 64,
        notes=None,
        entry_count=0,
        total_bytes=0,
        created_at=NOW,
        created_by="a@b.c",
        active_in=[],
        previous_id=None,
        entries=[],
    )
    view = PointerView(fleet="local/gpu", bundle=REF, prefix=PREFIX, changed=True, accepted_missing=[])
    fake_plane.says("GET", "/api/bundles/sdxl", bundle)
    fake_plane.says("PUT", BUNDLE_PATH, view)
    fake_plane.says("GET", "/api/fleets", [SERVING])
    fake_plane.says("PUT", "/api/fleets/local/gpu/workflows", SERVING)
    return fake_plane


def stands(plane: "FakePlane", *views: FleetPointerView, lacking: tuple[str, ...] = ()) -> None:
    """Let the pointer be found so, one after the other, and the bundle lack something."""
    plane.says("GET", "/api/fleets/local/gpu/coverage", coverage(*lacking))
    for view in views:
        plane.says("GET", POINTER_PATH, view)


def test_an_activation_tells_its_plan_and_asks(fleet: Fleet, plane: "FakePlane") -> None:
    stands(plane, told("none", "none"), told("none", "none"), told(PREFIX, PREFIX))
    refused = fleet("fleets", "activate", "gpu", "sdxl", typed="n\n")
    assert (refused.exit_code, plane.of("PUT", BUNDLE_PATH)) == (1, [])
    for words in ("Point the fleet local/gpu to sdxl@3", "into the database, which says none", f"into {PARAMETER}"):
        assert words in refused.stderr
    done = fleet("fleets", "activate", "gpu", "sdxl", "--yes")
    assert done.exit_code == 0, done.output
    assert plane.of("PUT", BUNDLE_PATH)[0].json == {"bundle": BUNDLE_ID, "accept_missing": False}
    assert f"{PARAMETER} says {PREFIX}" in done.stderr


def test_what_the_workflows_lack_is_told_first_and_accepted_by_yes(fleet: Fleet, plane: "FakePlane") -> None:
    stands(plane, told("none", "none"), told(PREFIX, PREFIX), lacking=(LACKING,))
    done = fleet("fleets", "activate", "gpu", "sdxl", "--yes")
    assert (done.exit_code, LACKING in done.stderr) == (0, True)
    assert plane.of("PUT", BUNDLE_PATH)[0].json == {"bundle": BUNDLE_ID, "accept_missing": True}


@pytest.mark.parametrize("words", [("activate", "gpu", "sdxl"), ("deactivate", "gpu")])
def test_a_dry_run_is_a_document_and_changes_nothing(fleet: Fleet, plane: "FakePlane", words: tuple[str, ...]) -> None:
    stands(plane, told("bundles/other", "bundles/other"), lacking=(LACKING,))
    done = fleet("fleets", *words, "--dry-run", "--json")
    assert len(json.loads(done.stdout)["steps"]) == 2
    assert [request.method for request in plane.received if request.method != "GET"] == []


def test_where_both_say_it_already_nothing_is_asked(fleet: Fleet, plane: "FakePlane") -> None:
    stands(plane, told(PREFIX, PREFIX))
    assert fleet("fleets", "activate", "gpu", "sdxl").exit_code == 0


def test_a_parameter_that_differs_is_named_and_written_again(fleet: Fleet, plane: "FakePlane") -> None:
    stands(plane, told(PREFIX, "bundles/other"))
    plane.says("POST", f"{POINTER_PATH}/mend", told(PREFIX, PREFIX))
    done = fleet("fleets", "activate", "gpu", "sdxl", "--yes", "--json")
    assert done.exit_code == 0, done.output
    assert f"The database says {PREFIX} now, and {PARAMETER} says bundles/other" in done.stderr
    receipt = json.loads(done.stdout)
    assert (receipt["prefix"], receipt["pointer"]["found"], receipt["pointer"]["agrees"]) == (PREFIX, PREFIX, True)


def test_a_parameter_that_cannot_be_written_fails_the_command_and_says_which_is_right(
    fleet: Fleet, plane: "FakePlane"
) -> None:
    away = told(PREFIX, None, "AWS does not answer.")
    stands(plane, told("none", "none"), away)
    plane.says("POST", f"{POINTER_PATH}/mend", away)
    done = fleet("fleets", "activate", "gpu", "sdxl", "--yes")
    assert done.exit_code == 1
    assert "The database is right, and the parameter is not" in done.stderr
    assert "AWS does not answer." in done.stderr


def test_deactivation_asks(fleet: Fleet, plane: "FakePlane") -> None:
    stands(plane, told(PREFIX, PREFIX), told(PREFIX, PREFIX), told("none", "none"))
    none = PointerView(fleet="local/gpu", bundle=None, prefix=None, changed=True, accepted_missing=[])
    plane.answers["PUT", BUNDLE_PATH].clear()
    plane.says("PUT", BUNDLE_PATH, none)
    assert fleet("fleets", "deactivate", "gpu", typed="n\n").exit_code == 1
    assert plane.of("PUT", BUNDLE_PATH) == []
    assert "to no bundle" in fleet("fleets", "deactivate", "gpu", "--yes").stderr


def test_a_fleet_loses_workflows_only_when_that_is_confirmed(fleet: Fleet, plane: "FakePlane") -> None:
    plane.says("GET", "/api/fleets/local/gpu/coverage", coverage())
    refused = fleet("fleets", "assign", "gpu", "c", typed="n\n")
    assert (refused.exit_code, "Take a from it" in refused.stderr) == (1, True)
    assert fleet("fleets", "assign", "gpu", "c", "--keep").exit_code == 0
    assert fleet("fleets", "assign", "gpu", "c", "--yes").exit_code == 0
    puts = [request.json["workflows"] for request in plane.received if request.method == "PUT"]
    assert puts == [["a", "b", "c"], ["c"]]
    assert fleet("fleets", "assign", "other", "c").exit_code == 2


def test_an_assignment_is_shown_before_it_is_made(fleet: Fleet, plane: "FakePlane") -> None:
    plan = json.loads(fleet("fleets", "assign", "gpu", "c", "--dry-run", "--json").stdout)
    assert plan["steps"] == ["Let it serve c", "Take a from it", "Take b from it"]
    assert not [request for request in plane.received if request.method == "PUT"]


def test_what_the_bundle_lacks_for_what_is_assigned_is_told(fleet: Fleet, plane: "FakePlane") -> None:
    plane.says("GET", "/api/fleets/local/gpu/coverage", coverage(LACKING))
    done = fleet("fleets", "assign", "gpu", "c", "--keep")
    assert (done.exit_code, LACKING in done.stderr) == (0, True)


def test_a_fleet_that_would_be_made_is_shown_and_one_that_is_there_refused(fleet: Fleet, plane: "FakePlane") -> None:
    done = fleet("fleets", "create", "gpu-b", "--stage", "staging", "--dry-run")
    assert (done.exit_code, "asg-staging-gpu-b" in done.stderr) == (0, True)
    assert json.loads(fleet("fleets", "create", "gpu-b", "--dry-run", "--json").stdout)["title"].endswith("local/gpu-b")
    assert fleet("fleets", "create", "gpu", "--dry-run").exit_code == 2
    assert not [request for request in plane.received if request.method == "POST"]
