import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.properties import PropertyType
from comfyfleet.protocol.api import PropertyModel, WorkflowView
from comfyfleet.protocol.workflows import (
    ChangeView,
    OutputView,
    ProposalView,
    VersionDetail,
    VersionDifference,
    VersionView,
)

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

GRAPH = {"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}
IMAGE = PropertyModel(key="image", type=PropertyType.IMAGE, is_primary_input=True, node_id="1", input_name="image")
RADIUS = PropertyModel(key="radius", type=PropertyType.NUMBER, default=3, placeholder="__RADIUS__")
SOFT = "/api/workflows/soft"


@pytest.fixture
def flow(fake_plane: "FakePlane") -> WorkflowView:
    """Let the control plane know the workflow `soft`; return what it shows of it."""
    view = WorkflowView.model_validate(
        {
            "id": 1,
            "name": "Soft",
            "slug": "soft",
            "description": "",
            "is_active": True,
            "version": 3,
            "comfyui_workflow_path": "workflows/soft/ab.json",
            "output_node_id": "9",
            "output_extension": "png",
            "output_mime_type": "image/png",
            "properties": [IMAGE, RADIUS],
            "fleets": ["staging/gpu"],
            "created_at": "2026-02-20T12:34:56Z",
        }
    )
    fake_plane.says("GET", SOFT, view)
    return view


def test_a_proposal_tells_properties_and_outputs(fleet: Fleet, fake_plane: "FakePlane", own_folder: Path) -> None:
    (own_folder / "flow.json").write_text(json.dumps(GRAPH))
    output = OutputView(node_id="9", name="node 9 (SaveImage)", extension="png", mime_type="image/png")
    fake_plane.says("POST", "/api/workflows/propose", ProposalView(properties=[IMAGE, RADIUS], outputs=[output]))
    result = fleet("workflows", "propose", "flow.json")
    assert result.exit_code == 0, result.output
    for word in ("image", "1.image", "radius", "__RADIUS__", "node 9 (SaveImage)"):
        assert word in result.stdout
    assert fake_plane.of("POST", "/api/workflows/propose")[0].json["document"] == GRAPH


def test_what_is_proposed_is_what_import_takes(
    fleet: Fleet, fake_plane: "FakePlane", own_folder: Path, flow: WorkflowView
) -> None:
    (own_folder / "flow.json").write_text(json.dumps(GRAPH))
    fake_plane.says("POST", "/api/workflows/propose", ProposalView(properties=[IMAGE], outputs=[]))
    fake_plane.says("POST", "/api/workflows", flow)
    (own_folder / "props.json").write_text(fleet("workflows", "propose", "flow.json", "--json").stdout)
    options = ("--slug", "soft", "--output-node", "9", "--property-file", "props.json")
    result = fleet("workflows", "import", "flow.json", *options)
    assert result.exit_code == 0, result.output
    (sent,) = fake_plane.of("POST", "/api/workflows")
    assert [prop["key"] for prop in sent.json["properties"]] == ["image"]


def test_a_refusal_says_how_to_export(fleet: Fleet, fake_plane: "FakePlane", own_folder: Path) -> None:
    (own_folder / "ui.json").write_text('{"nodes": [], "links": []}')
    words = ("This is a workflow in UI format.", "In ComfyUI choose Workflow → Export (API).")
    fake_plane.refuses("POST", "/api/workflows/propose", 422, "graph_invalid", *words)
    result = fleet("workflows", "propose", "ui.json")
    assert result.exit_code != 0
    assert "Workflow → Export (API)" in result.stderr


def test_versions_are_listed_and_one_is_shown(fleet: Fleet, fake_plane: "FakePlane") -> None:
    version = VersionView.model_validate({"version": 2, "created_by": "ann", "created_at": "2026-02-20T12:34:56Z"})
    fake_plane.says("GET", f"{SOFT}/versions", [version])
    detail = VersionDetail(
        **version.model_dump(),
        comfyui_workflow_path="workflows/soft/ab.json",
        graph=GRAPH,
        output_node_id="9",
        output_extension="png",
        output_mime_type="image/png",
        properties=[IMAGE],
    )
    fake_plane.says("GET", f"{SOFT}/versions/2", detail)
    listed = fleet("workflows", "versions", "soft", "--limit", "5")
    assert "ann" in listed.stdout
    assert fake_plane.of("GET", f"{SOFT}/versions")[0].query == {"limit": "5"}
    shown = fleet("workflows", "version", "soft", "2")
    for word in ("ann", "node 9, .png, image/png", "image", "workflows/soft/ab.json"):
        assert word in shown.stdout
    assert json.loads(fleet("workflows", "version", "soft", "2", "--graph").stdout) == GRAPH
    assert json.loads(fleet("workflows", "version", "soft", "2", "--json").stdout)["version"] == 2


def test_differences_are_told_with_both_values(fleet: Fleet, fake_plane: "FakePlane") -> None:
    change = ChangeView(what="changed", where="node 3 (Blur): sigma", before="1", after="2")
    fake_plane.says("GET", f"{SOFT}/diff", VersionDifference(before=1, after=2, changes=[change]))
    result = fleet("workflows", "diff", "soft", "1", "2")
    assert result.stdout.split()[-6:] == ["node", "3", "(Blur):", "sigma", "1", "2"]
    assert fake_plane.of("GET", f"{SOFT}/diff")[0].query == {"before": "1", "after": "2"}


def test_an_old_version_is_restored(fleet: Fleet, fake_plane: "FakePlane", flow: WorkflowView) -> None:
    fake_plane.says("POST", f"{SOFT}/restore", flow)
    result = fleet("workflows", "restore", "soft", "1")
    assert "Version 3 of 'soft' runs what version 1 ran." in result.stderr + result.stdout
    assert fake_plane.of("POST", f"{SOFT}/restore")[0].json == {"version": 1}


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (("staging/gpu", "gpu-default"), ["staging/gpu", "local/gpu-default"]),
        (("--none",), []),
        ((), None),
    ],
)
def test_fleets_are_set_taken_away_or_told(
    fleet: Fleet, fake_plane: "FakePlane", flow: WorkflowView, arguments: tuple[str, ...], sent: list[str] | None
) -> None:
    fake_plane.says("PUT", f"{SOFT}/fleets", flow)
    result = fleet("workflows", "fleets", "soft", *arguments)
    assert "'soft' is served by: staging/gpu." in result.stderr + result.stdout
    requests = fake_plane.of("PUT", f"{SOFT}/fleets")
    assert [request.json["fleets"] for request in requests] == ([] if sent is None else [sent])


def test_fleets_and_none_contradict_each_other(fleet: Fleet) -> None:
    assert fleet("workflows", "fleets", "soft", "gpu", "--none").exit_code == 2


@pytest.mark.parametrize(("verb", "is_active"), [("activate", True), ("deactivate", False)])
def test_a_workflow_is_switched(
    fleet: Fleet, fake_plane: "FakePlane", flow: WorkflowView, verb: str, is_active: bool
) -> None:
    fake_plane.says("PUT", f"{SOFT}/active", flow)
    assert fleet("workflows", verb, "soft").exit_code == 0
    assert json.loads(fleet("workflows", verb, "soft", "--json").stdout)["slug"] == "soft"
    assert fake_plane.of("PUT", f"{SOFT}/active")[0].json == {"is_active": is_active}


def test_deleting_asks_first(fleet: Fleet, fake_plane: "FakePlane", flow: WorkflowView) -> None:
    fake_plane.says("DELETE", SOFT, None)
    assert fleet("workflows", "delete", "soft", typed="n\n").exit_code != 0
    assert fake_plane.of("DELETE", SOFT) == []
    result = fleet("workflows", "delete", "soft", "--yes", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["slug"] == "soft"
    assert len(fake_plane.of("DELETE", SOFT)) == 1


def test_a_trial_uploads_waits_and_downloads(
    fleet: Fleet, fake_plane: "FakePlane", own_folder: Path, flow: WorkflowView
) -> None:
    (own_folder / "a.png").write_bytes(b"input")
    fake_plane.has_upload()
    fake_plane.says("POST", f"{SOFT}/test-run", fake_plane.job(credits_cost=0), status=201)
    done = fake_plane.job(JobStatus.COMPLETED, progress=1, output_mime_type="image/png")
    fake_plane.streams(17, done)
    fake_plane.says("GET", "/api/jobs/17", done)
    fake_plane.gives("GET", "/objects/out.mp4", b"result")
    options = ("--fleet", "gpu-default", "-i", "a.png", "--set", "radius=7", "-o", "out.png")
    result = fleet("workflows", "test-run", "soft", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout == "out.png\n"
    assert Path("out.png").read_bytes() == b"result"
    (sent,) = fake_plane.of("POST", f"{SOFT}/test-run")
    assert sent.json == {"fleet": "local/gpu-default", "values": {"radius": 7, "image": "upload-1"}}


def test_a_trial_that_fails_says_why(fleet: Fleet, fake_plane: "FakePlane", flow: WorkflowView) -> None:
    bare = flow.model_copy(update={"properties": [RADIUS]})
    fake_plane.answers.clear()
    fake_plane.says("GET", SOFT, bare)
    fake_plane.says("POST", f"{SOFT}/test-run", fake_plane.job(), status=201)
    fake_plane.streams(17, fake_plane.failed_job())
    fake_plane.says("GET", "/api/jobs/17", fake_plane.failed_job())
    result = fleet("workflows", "test-run", "soft", "--fleet", "staging/gpu")
    assert result.exit_code == 1
    assert "Not enough memory" in result.stderr
