from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import Result

from comfyfleet.cli import operations
from comfyfleet.core.operations import LineKind, OperationKind, OperationStatus
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.operations import OperationLineView, OperationView

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
PATH = "/api/operations/7"


def operation(status: OperationStatus = OperationStatus.RUNNING, **changes: Any) -> OperationView:
    found = OperationView(
        id=7,
        kind=OperationKind.BAKE,
        fleet="staging/gpu-default",
        title="Bake an image",
        steps=["Launch a machine", "Copy it"],
        warnings=["It costs."],
        status=status,
        outcome="New machines are of ami-1." if status.is_over else None,
        result={},
        actor="ada@example.com",
        started_at=NOW,
        ended_at=NOW if status.is_over else None,
        cancel_requested_by=None,
    )
    return found.model_copy(update=changes)


def line(number: int, kind: LineKind, text: str) -> OperationLineView:
    return OperationLineView(id=number, at=NOW, kind=kind, text=text)


def test_operations_are_listed_and_the_rest_is_offered(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/operations", Page(items=[operation()], next_before=7))
    result = fleet("operations", "list", "--fleet", "staging/gpu-default", "--limit", "1")
    assert "Bake an image" in result.stdout
    assert "comfyfleet operations list --fleet staging/gpu-default --before 7" in result.stderr
    assert fake_plane.received[0].query == {"fleet": "staging/gpu-default", "limit": "1"}


def test_one_is_shown_with_its_plan_and_its_outcome(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", PATH, operation(OperationStatus.SUCCEEDED))
    result = fleet("operations", "show", "7")
    for words in ("Launch a machine", "Copy it", "It costs.", "New machines are of ami-1.", "ada@example.com"):
        assert words in result.stdout


@pytest.mark.parametrize(
    ("end", "code"), [(OperationStatus.SUCCEEDED, 0), (OperationStatus.FAILED, 1), (OperationStatus.INTERRUPTED, 1)]
)
def test_a_log_is_followed_to_its_end_whose_code_tells_how_it_was(
    fleet: Fleet, fake_plane: "FakePlane", monkeypatch: pytest.MonkeyPatch, end: OperationStatus, code: int
) -> None:
    monkeypatch.setattr(operations, "_PAUSE_SECONDS", 0)
    for pieces in ([line(1, LineKind.STEP, "Launching")], [], [line(2, LineKind.OUTPUT, "one\ntwo\x1b[2J\n")], []):
        fake_plane.says("GET", f"{PATH}/log", pieces)
    for status in (OperationStatus.RUNNING, end):
        fake_plane.says("GET", PATH, operation(status))
    result = fleet("operations", "log", "7", "--follow")
    assert result.exit_code == code
    assert "12:34:56 Launching …" in result.stderr
    assert result.stdout.splitlines()[0] == "one"
    assert "\x1b" not in result.stdout
    assert [one.query["after"] for one in fake_plane.of("GET", f"{PATH}/log")] == ["0", "1", "1", "2"]


def test_a_log_that_is_not_followed_says_that_there_is_more_to_come(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", f"{PATH}/log", [])
    fake_plane.says("GET", PATH, operation())
    result = fleet("operations", "log", "7")
    assert (result.exit_code, "It is still running." in result.stderr) == (0, True)


def test_a_cancel_is_asked_about_first(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", PATH, operation())
    fake_plane.says("POST", f"{PATH}/cancel", operation(cancel_requested_by="ada@example.com"))
    assert fleet("operations", "cancel", "7", typed="n\n").exit_code != 0
    assert fake_plane.of("POST", f"{PATH}/cancel") == []
    assert "was asked to end" in fleet("operations", "cancel", "7", "--yes").stderr
