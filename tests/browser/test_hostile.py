"""What people write is text everywhere, however hostile or long, and nothing breaks when something vanishes."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.browser import TESTED_VIEWS, Visit
from tests.support.bundle_library import graph_of
from tests.support.fleet import Fleet
from tests.support.library_files import add_to_library, write_safetensors

SCRIPT = '<script>alert(1)</script><img src=x onerror="alert(2)">"\'></textarea>{{ 7 * 7 }}'
LONG = "W" * 300
PAGES = (
    "/admin",
    "/admin/jobs",
    "/admin/workers",
    "/admin/comfyui/assets",
    "/admin/comfyui/bundles",
    "/admin/comfyui/fleets",
    "/admin/workflows",
    "/admin/effects",
    "/admin/tenants",
    "/admin/audit",
    "/admin/settings",
    "/",
    "/effects/hostile",
    "/admin/effects/hostile",
    "/admin/workflows/hostile",
    "/admin/comfyui/fleets/local/hostile",
    "/admin/tenants/hostile",
    "/runs",
)


@pytest.fixture(scope="module")
def hostile(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Put hostile and long texts into everything that has a text."""
    folder = tmp_path_factory.mktemp("hostile")
    name = f"{SCRIPT} {LONG}"[:300]
    file = write_safetensors(folder / "hostile.safetensors", modelspec_title=SCRIPT, comment=LONG)
    digest = add_to_library(fleet, file)
    fleet.http.patch(f"/api/assets/{digest}", json={"notes": name, "license": SCRIPT[:200]}).raise_for_status()
    bundle = fleet.post("/api/bundles", {"name": "hostile", "notes": name, "entries": [{"asset": digest}]})
    fleet.post("/api/fleets", {"stage": "local", "slug": "hostile", "name": name})
    graph = graph_of("hostile.safetensors") | {
        "1": {"class_type": SCRIPT, "inputs": {SCRIPT: SCRIPT, "text": LONG}, "_meta": {"title": SCRIPT}}
    }
    prompt = {
        "key": "prompt",
        "type": "text",
        "label": name[:200],
        "help": SCRIPT,
        "node_id": "1",
        "input_name": "text",
    }
    workflow = {"name": name, "slug": "hostile", "description": SCRIPT, "graph": graph, "output_node_id": "9"}
    fleet.post("/api/workflows", {**workflow, "properties": [prompt]})
    fleet.post("/api/effects", {"name": name, "slug": "hostile", "description": name, "workflow": "hostile"})
    fleet.post("/api/tenants", {"name": name, "slug": "hostile"})
    fleet.post("/api/tenants/hostile/grants", {"amount": 1, "reason": name})
    served = fleet.get("/api/fleets")
    gpu = next(one for one in served if one["slug"] == "gpu-default")
    fleet.http.put("/api/fleets/local/gpu-default/workflows", json={"workflows": [*gpu["workflows"], "hostile"]})
    job = fleet.submit("hostile", prompt=SCRIPT)
    fleet.wait(job["id"])
    return {"job": job["id"], "asset": digest, "bundle": bundle["bundle_id"]}


def test_hostile_and_long_texts_are_shown_as_text(operator: Visit, hostile: dict[str, Any]) -> None:
    page = operator.open("/admin")
    page.on("dialog", lambda dialog: operator.complaints.append(f"a script ran: {dialog.message}"))
    own = (f"/admin/jobs/{hostile['job']}", f"/admin/comfyui/assets/{hostile['asset']}",
           f"/admin/comfyui/bundles/{hostile['bundle']}")  # fmt: skip
    for path in (*PAGES, *own):
        answer = page.goto(operator.url + path)
        assert answer is not None
        assert answer.status == 200, path
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} is {overflow} pixels too wide on {operator.view.name}"
        assert page.locator("main script:not([type='application/json'])").count() == 0, path
        assert page.locator("img[onerror]").count() == 0, path


def test_every_page_can_be_read_without_scripts(visit_as: Any, hostile: dict[str, Any]) -> None:
    visit = visit_as("operator", TESTED_VIEWS[0], java_script_enabled=False)
    for path in PAGES:
        page = visit.context.new_page()
        answer = page.goto(visit.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert page.locator("main h1").count() == 1, path
        assert len(page.locator("main").inner_text()) > 20, path
        page.close()


def test_a_worker_that_vanishes_while_one_looks_breaks_nothing(visit_as: Any, fleet: Fleet, tmp_path: Path) -> None:
    visit = visit_as("operator", TESTED_VIEWS[0])
    worker = fleet.workers()[0]["worker_id"]
    page = visit.open(f"/admin/workers/{worker}")
    fleet.worker_process().kill()
    page.get_by_text("active").first.wait_for()
    fleet.wait(fleet.submit("hostile", prompt="again")["id"])
    page.goto(f"{visit.url}/admin/workers")
    page.get_by_role("heading", name="Workers").wait_for()
