"""The runbook's steps 4, 8 and 9 in a browser: a bundle, the workflows of a fleet, and its activation."""

from collections.abc import Callable
from pathlib import Path

from tests.support.browser import Visit
from tests.support.bundle_library import graph_of
from tests.support.fleet import Fleet
from tests.support.library_files import add_to_library, write_safetensors


def test_a_bundle_is_composed_and_a_fleet_pointed_to_it(operator: Visit, fleet: Fleet, tmp_path: Path) -> None:
    view = operator.view.name
    ink, brush, slug = f"ink-{view}.safetensors", f"brush-{view}.safetensors", f"inked-{view}"
    for name in (ink, brush):
        add_to_library(fleet, write_safetensors(tmp_path / name))
    if slug not in [workflow["slug"] for workflow in fleet.get("/api/workflows")]:
        fleet.import_workflow(slug, graph_of(ink), output_node_id="9")

    page = operator.open("/admin/comfyui/bundles")
    operator.check(page, "bundles")
    page.get_by_role("link", name="Create a bundle").click()
    page.get_by_label("Name", exact=True).fill(f"painter-{view}")
    page.get_by_label("Search assets").fill(ink)
    page.get_by_role("button", name=f"Add {ink}").click()
    page.get_by_text("1 asset, 4.").wait_for()

    page.get_by_label("Target path").fill("../../etc/passwd")
    page.get_by_role("alert").get_by_text("passwd").wait_for()
    page.get_by_label("Target path").fill(f"models/loras/style/{ink}")
    page.get_by_text("1 asset, 4.").wait_for()
    operator.check(page, "bundle-new")
    page.get_by_role("button", name="Create the bundle").click()
    page.get_by_role("heading", name=f"painter-{view}@1").wait_for()
    page.get_by_role("cell", name=f"models/loras/style/{ink}").wait_for()
    operator.check(page, "bundle")
    page.get_by_role("link", name="manifest.json").click()
    page.get_by_text('"manifest_version"').wait_for()
    operator.check(page, "bundle-manifest")
    page.go_back()

    page.get_by_role("link", name="Make the next version").click()
    page.get_by_label("Search assets").fill(brush)
    page.get_by_role("button", name=f"Add {brush}").click()
    page.get_by_text("2 assets, 8.").wait_for()
    page.get_by_role("button", name="Create the bundle").click()
    page.get_by_role("heading", name=f"painter-{view}@2").wait_for()
    page.get_by_role("link", name="What changed from it").click()
    page.get_by_text("1 asset added").wait_for()
    operator.check(page, "bundle-diff")


def test_a_fleet_is_pointed_to_a_bundle_and_back(operator: Visit, fleet: Fleet, tmp_path: Path) -> None:
    view = operator.view.name
    files = [write_safetensors(tmp_path / f"{name}-{view}.safetensors") for name in ("oil", "chalk")]
    digests = [add_to_library(fleet, path) for path in files]
    slug, path = f"studio-{view}", f"/api/fleets/local/studio-{view}"
    fleet.post("/api/fleets", {"stage": "local", "slug": slug, "name": "A studio"})
    fleet.post("/api/workflows", {"name": slug, "slug": slug, "graph": graph_of(files[0].name), "output_node_id": "9"})
    fleet.post("/api/bundles", {"name": slug, "entries": [{"asset": digests[0]}]})
    fleet.post("/api/bundles", {"name": slug, "entries": [{"asset": digests[1]}]})

    page = operator.open(f"/admin/comfyui/fleets/local/{slug}")
    page.get_by_label(slug).check()
    page.get_by_role("button", name="Save the workflows").click()
    page.get_by_text("The workflows of this fleet were saved.").wait_for()
    assert fleet.http.get(f"{path}/coverage").json()["data"]["workflows"] == [slug]

    page.get_by_label("A bundle").select_option(label=f"{slug}@1")
    page.get_by_role("button", name="Show the plan").click()
    page.get_by_role("heading", name="It has all that the workflows need").wait_for()
    page.get_by_role("button", name=f"Activate {slug}@1").click()
    page.get_by_text(f"points to {slug}@1.").wait_for()

    page.get_by_label("Another bundle").select_option(label=f"{slug}@2")
    page.get_by_role("button", name="Show the plan").click()
    page.get_by_role("heading", name="It lacks 1 of what the workflows need").wait_for()
    operator.check(page, "fleet-plan")
    page.get_by_label("Go on although").check()
    page.get_by_role("button", name=f"Activate {slug}@2").click()
    page.get_by_text(f"points to {slug}@2.").wait_for()
    operator.check(page, "fleet")
    page.get_by_role("button", name="Return to it").click()
    page.get_by_text(f"points to {slug}@1.").wait_for()
    history = fleet.get(f"{path}/activations")
    assert [line["bundle"] for line in history] == [f"{slug}@1", f"{slug}@2", f"{slug}@1"]
    page.get_by_role("link", name="What the workflows need").click()
    operator.check(page, "fleet-coverage")


def test_a_viewer_sees_everything_and_is_offered_no_act(visit_as: Callable[[str], Visit], fleet: Fleet) -> None:
    viewer = visit_as("viewer")
    page = viewer.open("/admin/comfyui/fleets/local/gpu-default")
    assert page.get_by_role("button", name="Save the workflows").count() == 0
    page.goto(f"{fleet.url}/admin/comfyui/fleets")
    assert page.get_by_role("button", name="Make the fleet").count() == 0
