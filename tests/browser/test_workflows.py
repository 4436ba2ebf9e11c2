"""The runbook's steps 7 and 8 in a browser: a workflow is imported, bound, served, tried, and changed."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect
from tests.support.browser import Visit
from tests.support.fleet import Fleet

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "any.png"}, "_meta": {"title": "The picture"}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "ImageBlur", "inputs": {"image": ["2", 0], "blur_radius": 3, "sigma": 1.5}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "soft"}},
}


EXACT = """{"2": {"class_type": "Noter", "inputs": {"text": "{{STYLE}} {{SUBJECT}}", "seed": 18446744073709551615,
 "sigma": 1.0, "tiny": 1e-7, "lines": "a\\nb"}}, "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}}}"""
"""Numbers that a browser would write in another way."""


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def picture(folder: Path) -> Path:
    from PIL import Image  # noqa: PLC0415 - only this test draws

    path = folder / "picture.png"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(path)
    return path


def test_a_workflow_is_imported_bound_served_and_tried(operator: Visit, fleet: Fleet, tmp_path: Path) -> None:
    slug = f"soft-negative-{operator.view.name}"
    page = operator.open("/admin/workflows")
    operator.check(page, "workflows")
    page.get_by_role("link", name="Import a workflow").click()
    page.wait_for_url("**/new")

    page.locator("#file").set_input_files(write(tmp_path / "ui.json", {"nodes": [], "links": [], "version": 0.4}))
    page.get_by_role("alert").get_by_text("Export (API)").wait_for()
    page.locator("#file").set_input_files(write(tmp_path / f"{slug}.json", GRAPH))
    page.get_by_role("group", name="The workflow as a graph").wait_for()
    assert page.get_by_label("Output node").input_value() == "9"
    assert page.get_by_label("Slug").input_value() == slug
    page.get_by_role("button", name="Make a property of blur_radius of node 3").press("Enter")
    page.get_by_label("Key", exact=True).nth(1).fill("Radius!")
    page.get_by_text("is no property key").wait_for()
    page.get_by_label("Key", exact=True).nth(1).fill("radius")
    page.get_by_text("is no property key").wait_for(state="hidden")
    operator.check(page, "workflow-new")
    page.get_by_role("button", name="Import the workflow").click()

    page.get_by_role("heading", name=slug.replace("-", " ")).wait_for()
    stored = fleet.get(f"/api/workflows/{slug}")
    assert [(prop["key"], prop["is_primary_input"]) for prop in stored["properties"]] == [
        ("image", True),
        ("radius", False),
    ]
    page.get_by_label("local/gpu-default").check()
    page.get_by_role("button", name="Save the fleets").click()
    page.get_by_text("The fleets of this workflow were saved.").wait_for()
    assert fleet.get(f"/api/workflows/{slug}")["fleets"] == ["local/gpu-default"]

    page.locator("#value-image").set_input_files(picture(tmp_path))
    page.get_by_label("Fleet", exact=True).select_option("local/gpu-default")
    page.get_by_role("button", name="Run it, at no cost").click()
    page.get_by_text("Completed").wait_for()
    page.get_by_alt_text("The result").wait_for()
    operator.check(page, "workflow")

    page.get_by_role("link", name="Edit").click()
    page.wait_for_url("**/edit")
    page.get_by_label("Label").nth(1).fill("How soft")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="What changed").click()
    page.get_by_text("property radius: label").wait_for()
    operator.check(page, "workflow-diff")
    page.go_back()
    page.get_by_role("button", name="Restore").click()
    page.get_by_text("Version 3 runs what version 1 ran.").wait_for()
    assert fleet.get(f"/api/workflows/{slug}")["version"] == 3


def test_what_is_missing_is_told_with_a_way_to_upload_it(operator: Visit, tmp_path: Path) -> None:
    graph = GRAPH | {"4": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "gone.safetensors"}}}
    page = operator.open("/admin/workflows/new")
    page.locator("#file").set_input_files(write(tmp_path / "lacking.json", graph))
    needs = page.locator("#needs")
    needs.get_by_text("1 of these is not in the library").wait_for()
    page.get_by_label("Look into").select_option("local/gpu-default")
    needs.get_by_text("1 of these is not in the active bundle of local/gpu-default").wait_for()
    link = needs.get_by_role("link", name="Upload it").get_attribute("href")
    page.goto(f"{operator.url}{link}")
    page.get_by_text("Missing: gone.safetensors").wait_for()
    assert page.get_by_label("Kind").first.input_value() == "lora"


def test_a_pasted_workflow_keeps_its_numbers_and_its_placeholders(operator: Visit, fleet: Fleet) -> None:
    slug = f"pasted-{operator.view.name}"
    page = operator.open("/admin/workflows/new")
    paste(page, slug)
    look_around(page)
    page.get_by_role("button", name="Import the workflow").click()
    page.get_by_role("heading", name="Pasted").wait_for()
    stored = fleet.get(f"/api/workflows/{slug}/versions/1")
    assert json.dumps(stored["graph"]) == json.dumps(json.loads(EXACT))
    assert [prop["default"] for prop in stored["properties"]] == [None, None, None, "one\ntwo"]
    assert page.get_by_role("button", name="Make a property").count() == 0

    page.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Pasted").wait_for()
    assert fleet.get(f"/api/workflows/{slug}")["version"] == 1
    fleet.http.delete(f"/api/workflows/{slug}").raise_for_status()


def paste(page: Page, slug: str) -> None:
    """Paste the workflow and choose what it sets."""
    page.get_by_text("Paste it instead").click()
    page.get_by_role("textbox", name="API JSON").fill("{oops")
    page.get_by_text("What you pasted is not JSON.").wait_for()
    page.get_by_role("textbox", name="API JSON").fill(EXACT)
    page.get_by_label("Name", exact=True).fill("Pasted")
    page.get_by_label("Slug").fill(slug)
    keys = page.get_by_label("Key", exact=True)
    expect(keys).to_have_count(3)
    assert [keys.nth(n).input_value() for n in range(keys.count())] == ["style", "subject", "seed"]
    page.get_by_role("button", name="Make a property of text of node 2").click()
    expect(page.get_by_label("Label").first).to_be_focused()
    assert keys.count() == 3
    page.get_by_role("button", name="Make a property of lines of node 2").focus()
    page.keyboard.press("Enter")
    expect(keys).to_have_count(4)
    page.get_by_label("Default").last.fill("one\ntwo")


def look_around(page: Page) -> None:
    """Look at the graph from nearer, and then at all of it."""
    width = page.locator(".graph svg").evaluate("svg => svg.width.baseVal.value")
    page.get_by_role("button", name="Larger").click()
    page.get_by_role("group", name="The workflow as a graph").focus()
    page.keyboard.press("+")
    assert page.locator(".graph svg").evaluate("svg => svg.width.baseVal.value") > width * 1.5
    page.keyboard.press("0")
    view = page.locator(".graph")
    assert view.evaluate("view => view.scrollWidth <= view.clientWidth + 1")
