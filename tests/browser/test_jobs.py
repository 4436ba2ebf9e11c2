"""Jobs in a browser: followed while they run, looked into when they failed, canceled and done again."""

import re
from collections.abc import Callable

from tests.support.browser import Visit
from tests.support.fleet import Fleet

from comfyfleet.up.seed import sample_path


def test_a_job_is_followed_from_the_list_to_its_result(operator: Visit, fleet: Fleet) -> None:
    page = operator.open("/admin/jobs")
    words = f"followed on {operator.view.name}"
    job = fleet.submit("caption-video", input_video=fleet.upload(sample_path()), prompt=words)
    page.locator(f"#job-{job['id']}").get_by_role("link", name=f"#{job['id']}").click()
    page.get_by_role("heading", name=f"Job {job['id']}").wait_for()
    page.get_by_role("heading", name="Output").wait_for()
    assert page.locator("#story video").evaluate("video => video.controls")
    page.locator("#story").get_by_text("Completed", exact=True).wait_for()
    page.get_by_text(words).wait_for()
    operator.check(page, "job")
    source = page.locator("#story video").get_attribute("src")
    fleet.wait(fleet.submit("invert-video", input_video=fleet.upload(sample_path()))["id"])
    assert page.locator("#story video").get_attribute("src") == source, "a result that is watched stays as it is"
    page.goto(f"{fleet.url}/admin/jobs")
    page.get_by_label("Search jobs").fill(f"followed {operator.view.name}")
    page.locator("#results tbody tr").nth(1).wait_for(state="detached")
    page.locator(f"#job-{job['id']}").wait_for()
    page.get_by_label("State").select_option("failed")
    page.get_by_text("No job fits.").wait_for()
    page.get_by_label("State").select_option("completed")
    page.locator(f"#job-{job['id']}").wait_for()
    assert re.search(r"status=completed", page.url)
    page.goto(f"{fleet.url}/admin/jobs")
    operator.check(page, "jobs")


def test_a_failed_job_tells_where_and_is_done_again(operator: Visit, fleet: Fleet) -> None:
    slug = f"no-model-{operator.view.name}"
    graph = {
        "1": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "absent.safetensors"},
            "_meta": {"title": "The model"},
        },
        "9": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "x"},
            "_meta": {"title": "Save"},
        },
    }
    fleet.import_workflow(slug, graph, output_node_id="9")
    job = fleet.wait(fleet.submit(slug)["id"])
    assert job["status"] == "failed", job
    page = operator.open(f"/admin/jobs/{job['id']}")
    page.get_by_role("heading", name="What ComfyUI says").wait_for()
    operator.check(page, "job-failed")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Do it again").click()
    page.get_by_text(f"Job {job['id']} is done again as this one.").wait_for()
    page.get_by_role("link", name=f"job {job['id']}").click()
    page.get_by_text("Done again").wait_for()


def test_a_queued_job_is_canceled(visit_as: Callable[..., Visit], fleet: Fleet) -> None:
    clip = fleet.upload(sample_path())
    jobs = [fleet.submit("caption-video", input_video=clip, prompt="in line") for _ in range(6)]
    page = visit_as("operator").open(f"/admin/jobs/{jobs[-1]['id']}")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text(re.compile(f"Job {jobs[-1]['id']} (was canceled|stops as soon)")).wait_for()
    for job in jobs:
        fleet.wait(job["id"])
