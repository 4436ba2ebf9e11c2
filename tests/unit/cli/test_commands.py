import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from comfyfleet.cli.main import app
from comfyfleet.core.credits import EntryKind
from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.core.properties import PropertyType
from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import (
    BalanceView,
    JobEventView,
    KeyView,
    LedgerEntryView,
    Me,
    NewKeyView,
    NewUserView,
    PropertyModel,
    TenantView,
    WorkflowView,
)
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.tenants import TenantPage

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
BALANCE = BalanceView(available=7, reserved=3, consumed=1)
TENANT = TenantView(id="t-1", name="Acme", slug="acme", balance=BALANCE, max_open_jobs=None, created_at=NOW)
KEY = KeyView(id="k-1", name="laptop", role=Role.USER, hint="…x9", created_at=NOW, last_used_at=None, revoked_at=None)
WORKFLOW = WorkflowView(
    id=1,
    name="Flow",
    slug="flow",
    description="",
    is_active=True,
    comfyui_workflow_path="workflows/flow/x.json",
    output_node_id="9",
    output_extension="mp4",
    output_mime_type="video/mp4",
    properties=[PropertyModel(key="size", type=PropertyType.NUMBER, node_id="4", input_name="font_size")],
    created_at=NOW,
)


def test_every_command_and_group_has_help(fleet: Fleet) -> None:
    top = fleet("--help")
    assert "Exit codes:" in top.output
    for group in app.registered_groups:
        assert fleet(str(group.name), "--help").exit_code == 0
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        result = fleet(name, "--help")
        assert result.exit_code == 0, result.output


def test_the_version_is_told_without_a_server(fleet: Fleet) -> None:
    assert fleet("--version").output.startswith("comfyfleet ")


def test_an_unknown_command_is_wrong_usage(fleet: Fleet) -> None:
    assert fleet("jbos").exit_code == 2


def test_without_a_server_a_command_ends_with_4(fleet: Fleet, own_folder: Path) -> None:
    (own_folder / "data" / "cli.json").unlink()
    result = fleet("jobs")
    assert result.exit_code == 4
    assert "hint: Start one: comfyfleet up." in result.stderr


def test_a_server_that_is_gone_ends_with_4(fleet: Fleet, own_folder: Path) -> None:
    (own_folder / "data" / "cli.json").write_text('{"url": "http://127.0.0.1:9", "api_key": "k"}')
    result = fleet("me")
    assert result.exit_code == 4
    assert "error: http://127.0.0.1:9 does not answer" in result.stderr
    assert "comfyfleet up" in result.stderr


def test_jobs_are_listed_with_the_way_to_the_next_page(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/jobs", Page(items=[fake_plane.job(JobStatus.COMPLETED)], next_before=17))
    result = fleet("jobs", "--status", "completed", "-n", "1")
    assert result.stdout.splitlines()[1].split()[:3] == ["17", "caption", "completed"]
    assert "More: comfyfleet jobs list --status completed --before 17" in result.stderr
    assert fake_plane.received[0].query == {"status": "completed", "limit": "1"}
    assert json.loads(fleet("jobs", "list", "--json").stdout)["next_before"] == 17


def test_a_job_is_shown_with_its_error_and_timeline(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/jobs/17", fake_plane.failed_job())
    event = JobEventView(at=NOW, event=JobEvent.LEASED, attempt=1, detail="local-1")
    fake_plane.says("GET", "/api/jobs/17/timeline", [event])
    result = fleet("jobs", "show", "17")
    assert "Not enough memory" in result.stdout
    assert "9 KSampler" in result.stdout
    assert "leased" in result.stdout
    assert json.loads(fleet("jobs", "show", "17", "--json").stdout)["timeline"][0]["event"] == "leased"


def test_a_completed_job_can_be_downloaded_later(fleet: Fleet, fake_plane: "FakePlane", own_folder: Path) -> None:
    fake_plane.says("GET", "/api/jobs/17", fake_plane.job(JobStatus.COMPLETED))
    fake_plane.gives("GET", "/objects/out.mp4", b"result")
    assert fleet("jobs", "download", "17", "-o", str(own_folder)).stdout.strip() == str(own_folder / "caption-17.mp4")
    assert (own_folder / "caption-17.mp4").read_bytes() == b"result"


def test_a_job_without_a_result_is_not_downloaded(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/jobs/17", fake_plane.job())
    result = fleet("jobs", "download", "17")
    assert (result.exit_code, "Job 17 is queued" in result.stderr) == (1, True)


@pytest.mark.parametrize(("typed", "flags"), [("y\n", []), (None, ["--yes"])])
def test_a_job_is_canceled_once_it_is_confirmed(
    fleet: Fleet, fake_plane: "FakePlane", typed: str | None, flags: list[str]
) -> None:
    fake_plane.says("POST", "/api/jobs/17/cancel", fake_plane.job(JobStatus.CANCELED))
    assert fleet("jobs", "cancel", "17", *flags, typed=typed).exit_code == 0
    assert len(fake_plane.received) == 1


@pytest.mark.parametrize("typed", ["n\n", None])
def test_a_job_goes_on_unless_its_end_is_confirmed(fleet: Fleet, fake_plane: "FakePlane", typed: str | None) -> None:
    result = fleet("jobs", "cancel", "17", typed=typed)
    assert (result.exit_code, fake_plane.received) == (1, [])
    assert "othing was changed" in result.stderr


def test_an_effect_is_shown_with_what_may_be_set(fleet: Fleet, fake_plane: "FakePlane") -> None:
    effect = fake_plane.has_effect()
    fake_plane.says("GET", "/api/effects", [effect])
    result = fleet("effects", "show", "caption")
    assert f"{fake_plane.url}/effects/caption" in result.stdout
    assert "from 1 to 50" in result.stdout
    assert "top | bottom" in result.stdout
    assert "caption" in fleet("effects", "list").stdout


def test_an_effect_is_made_with_typed_overrides(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/workflows/flow", WORKFLOW)
    fake_plane.says("POST", "/api/effects", fake_plane.has_effect(), status=201)
    args = ("effects", "create", "--slug", "caption", "--workflow", "flow", "--credits", "5")
    assert fleet(*args, "--override", "size=25").exit_code == 0
    request = fake_plane.of("POST", "/api/effects")[0].json
    assert (request["property_overrides"], request["credits_cost"], request["name"]) == ({"size": 25}, 5, "caption")
    assert fleet(*args, "--override", "colour=1").exit_code == 2


@pytest.mark.parametrize("form", ["file", "inline"])
def test_a_workflow_is_imported(fleet: Fleet, fake_plane: "FakePlane", own_folder: Path, form: str) -> None:
    graph = {"9": {"class_type": "SaveVideo", "inputs": {"text": "x"}}}
    (own_folder / "flow.json").write_text(json.dumps(graph))
    properties = json.dumps([{"key": "size", "type": "number", "node_id": "9", "input_name": "text"}])
    (own_folder / "props.json").write_text(properties)
    fake_plane.says("POST", "/api/workflows", WORKFLOW, status=201)
    given = ["--properties", properties] if form == "inline" else ["--property-file", "props.json"]
    result = fleet("workflows", "import", "flow.json", "--slug", "flow", "--output-node", "9", *given)
    assert result.exit_code == 0, result.output
    request = fake_plane.received[0].json
    assert (request["graph"], request["output_node_id"]) == (graph, "9")
    assert request["properties"][0]["input_name"] == "text"


def test_a_workflow_is_replaced_only_when_asked(fleet: Fleet, fake_plane: "FakePlane", own_folder: Path) -> None:
    (own_folder / "flow.json").write_text("{}")
    args = ("workflows", "import", "flow.json", "--slug", "flow", "--output-node", "9")
    fake_plane.refuses("POST", "/api/workflows", 409, "slug_taken", "There is a workflow 'flow'.", "Use --replace.")
    assert fleet(*args).exit_code == 3
    fake_plane.says("GET", "/api/workflows/flow", WORKFLOW)
    fake_plane.says("PUT", "/api/workflows/flow", WORKFLOW)
    assert "replaced" in fleet(*args, "--replace").stderr


def test_a_broken_workflow_file_is_told_with_the_place(fleet: Fleet, fake_plane: "FakePlane", own_folder: Path) -> None:
    (own_folder / "flow.json").write_text('{\n  "1": }')
    result = fleet("workflows", "import", "flow.json", "--slug", "flow", "--output-node", "9")
    assert (result.exit_code, fake_plane.received) == (2, [])
    assert "line 2, column 8" in result.stderr


def test_a_property_that_is_misspelt_is_told(fleet: Fleet, own_folder: Path) -> None:
    (own_folder / "flow.json").write_text("{}")
    args = ("workflows", "import", "flow.json", "--slug", "flow", "--output-node", "9", "--properties")
    result = fleet(*args, '[{"key": "a", "type": "text", "nodeid": "1"}]')
    assert result.exit_code == 2
    assert "properties.0.nodeid" in result.stderr


def test_workflows_are_listed_and_shown(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/workflows", [WORKFLOW])
    fake_plane.says("GET", "/api/workflows/flow", WORKFLOW)
    assert "flow" in fleet("workflows", "list").stdout
    assert "node 4 font_size" in fleet("workflows", "show", "flow").stdout


def test_tenants_get_credits_and_people(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/tenants", TENANT, status=201)
    fake_plane.says("POST", "/api/tenants/acme/grants", TENANT)
    user = NewUserView(id="u", email="a@b.c", one_time_password="once-only")
    fake_plane.says("POST", "/api/tenants/acme/users", user, status=201)
    entry = LedgerEntryView(id=5, kind=EntryKind.GRANT, amount=10, job_id=None, reason="start", at=NOW)
    fake_plane.says("GET", "/api/tenants/acme/ledger", Page(items=[entry], next_before=None))
    fake_plane.says("GET", "/api/tenants", TenantPage(items=[TENANT], total=2))
    assert "acme" in fleet("tenants", "create", "acme", "--name", "Acme").stdout
    assert fleet("tenants", "grant", "acme", "10", "--reason", "start").exit_code == 0
    assert "once-only" in fleet("tenants", "add-user", "acme", "a@b.c", "--role", "operator").stdout
    assert fleet("tenants", "add-user", "acme", "nobody").exit_code == 2
    assert "grant" in fleet("tenants", "ledger", "acme").stdout
    assert "More: comfyfleet tenants list ac --offset 1" in fleet("tenants", "list", "ac", "-n", "1").stderr
    assert json.loads(fleet("tenants", "list", "--json").stdout)["items"][0]["balance"]["available"] == 7
    assert fake_plane.of("POST", "/api/tenants/acme/grants")[0].json == {"amount": 10, "reason": "start"}
    assert fake_plane.of("POST", "/api/tenants/acme/users")[0].json == {"email": "a@b.c", "role": "operator"}


def test_a_key_is_printed_alone_on_stdout(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/keys", NewKeyView(key=KEY, token="cfk_new"), status=201)
    result = fleet("keys", "create", "laptop", "--tenant", "acme")
    assert result.stdout == "cfk_new\n"
    assert fake_plane.received[0].query == {"tenant": "acme"}


def test_a_key_is_revoked_once_it_is_confirmed(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/keys", [KEY])
    fake_plane.says("DELETE", "/api/keys/k-1", None)
    assert "laptop" in fleet("keys", "list").stdout
    assert fleet("keys", "revoke", "k-1").exit_code == 1
    assert fleet("keys", "revoke", "k-1", "--yes").exit_code == 0
    assert len(fake_plane.of("DELETE", "/api/keys/k-1")) == 1


def test_me_tells_who_and_how_many_credits(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says(
        "GET", "/api/me", Me(email=None, role=Role.OPERATOR, tenant_id="t", tenant_name="T", balance=BALANCE)
    )
    shown = fleet("me").stdout
    assert fake_plane.url in shown
    assert "an API key" in shown
    assert json.loads(fleet("me", "--json").stdout)["balance"]["available"] == 7


def test_a_dry_run_of_an_installation_prints_its_commands_and_does_nothing(fleet: Fleet, own_folder: Path) -> None:
    result = fleet("comfyui", "install", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "Clone ComfyUI" in result.stderr
    assert "pip" in result.stdout
    assert str(own_folder / "data") in result.stderr
    assert not (own_folder / "data" / "comfyui").exists()


def test_a_worker_without_its_environment_says_what_is_missing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_BASE_URL", raising=False)
    result = fleet("worker")
    assert result.exit_code == 2
    assert "API_BASE_URL" in result.stderr
