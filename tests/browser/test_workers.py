"""The dashboard and the workers in a browser: watched while they change, drained, revoked, restored."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.support.browser import Visit
from tests.support.fleet import Fleet

from comfyfleet.up.seed import sample_path

GPU = {"name": "cuda:0 NVIDIA A10G : cudaMallocAsync", "vram_total": 24_000_000_000, "vram_free": 3_000_000_000}


class Agent:
    """A worker that registers and reports, and takes no job away from the one that renders."""

    def __init__(self, fleet: Fleet, worker_id: str, http: httpx.Client) -> None:
        self._http = http
        self._secret = json.loads((fleet.data / "secrets.json").read_text())["fleet_secret"]
        self._worker_id = worker_id

    def register(self) -> int:
        """Register; return the status of the answer."""
        body = {"worker_id": self._worker_id, "fleet_slug": "gpu-default", "instance_type": "g5.xlarge"}
        answer = self._http.post("/register", json=body, headers={"X-Fleet-Secret": self._secret})
        if answer.is_success:
            self._http.headers["Authorization"] = f"Bearer {answer.json()['data']['token']}"
        return answer.status_code

    def report(self, *texts: str) -> None:
        """Report a GPU, and lines of a log."""
        log = [{"at": datetime.now(UTC).isoformat(), "level": "INFO", "text": text} for text in texts]
        self.call("report", figures={"gpus": [GPU]}, log=log)

    def call(self, verb: str, **body: Any) -> None:
        """Call the worker protocol."""
        self._http.post(f"/{verb}", json=body).raise_for_status()


@pytest.fixture
def agent_named(fleet: Fleet) -> Iterator[Callable[[str], Agent]]:
    """Return how to make an agent."""
    with httpx.Client(base_url=f"{fleet.url}/api/worker", timeout=30) as http:
        yield lambda worker_id: Agent(fleet, worker_id, http)


def test_the_dashboard_is_watched(operator: Visit, fleet: Fleet) -> None:
    fleet.wait(fleet.submit("invert-video", input_video=fleet.upload(sample_path()))["id"])
    page = operator.open("/admin")
    page.locator("canvas").nth(5).wait_for()
    numbers = page.locator("#series").get_attribute("data-columns")
    page.get_by_text("The same as numbers").click()
    page.locator("#numbers").get_by_role("columnheader", name="Longest wait").wait_for()
    operator.check(page, "dashboard")
    if operator.view.is_phone:
        return  # ten seconds of waiting are enough once
    page.wait_for_function("was => document.getElementById('series').dataset.columns !== was", arg=numbers)
    assert page.locator("canvas").count() == 6, "charts are drawn once, and go on"
    assert page.locator("details").first.evaluate("details => details.open")
    page.get_by_role("link", name="24h").click()
    page.locator("canvas").nth(5).wait_for()
    assert page.get_by_role("link", name="24h").get_attribute("aria-current") == "true"


def test_the_dashboard_is_read_without_scripts(visit_as: Callable[..., Visit]) -> None:
    page = visit_as("viewer", java_script_enabled=False).open("/admin?range=6h")
    page.get_by_role("heading", name="What needs attention").wait_for()
    page.get_by_text("The same as numbers").click()
    page.locator("#numbers").get_by_role("columnheader", name="Longest wait").wait_for()


def test_a_worker_is_watched_and_drained(operator: Visit, agent_named: Callable[[str], Agent]) -> None:
    worker_id = f"i-watched-{operator.view.name}"
    agent = agent_named(worker_id)
    agent.register()
    agent.report("comfyfleet worker starts")
    page = operator.open("/admin/workers")
    page.get_by_label("Search workers").fill(worker_id)
    page.get_by_text("1 of 1 worker").wait_for()
    page.get_by_role("link", name=worker_id).click()
    page.locator("#log").get_by_text("comfyfleet worker starts").wait_for()
    page.get_by_text("21.0 GB of 24.0 GB in use").wait_for()
    agent.report("a line that comes later")
    page.locator("#log").get_by_text("a line that comes later").wait_for()
    page.get_by_role("button", name="Drain").click()
    page.get_by_text("It has no job, and gets none").wait_for()
    page.get_by_role("button", name="Activate").click()
    page.get_by_text("It gets jobs again.").wait_for()
    agent.call("deregister")
    page.get_by_text("It has left").wait_for()
    page.locator("#log").get_by_text("a line that comes later").wait_for()


def test_a_worker_is_revoked_once_that_is_confirmed_and_restored(
    operator: Visit, agent_named: Callable[[str], Agent]
) -> None:
    worker_id = f"i-revoked-{operator.view.name}"
    agent = agent_named(worker_id)
    agent.register()
    page = operator.open(f"/admin/workers/{worker_id}")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Revoke").click()
    assert agent.register() == 200
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("It is kept out until it is restored.").wait_for()
    assert agent.register() == 403
    operator.check(page, "worker-revoked")
    page.get_by_role("button", name="Restore").click()
    page.get_by_text("It may register again").wait_for()
    assert agent.register() == 200
    agent.call("deregister")


def test_the_worker_that_renders_is_watched(operator: Visit, fleet: Fleet) -> None:
    page = operator.open("/admin/workers/local-gpu-default")
    job = fleet.submit("caption-video", input_video=fleet.upload(sample_path()), prompt="watched")
    row = page.locator("#state tr").filter(has_text=f"#{job['id']} caption-video")
    row.get_by_text("completed").wait_for()
    page.locator("#log").get_by_text("registered as local-gpu-default").wait_for()
    page.get_by_text("in use", exact=False).first.wait_for()
    operator.check(page, "worker")
    page.goto(f"{fleet.url}/admin/workers")
    operator.check(page, "workers")


def test_a_worker_that_vanishes_leaves_its_page_as_it_is(operator: Visit, fleet: Fleet) -> None:
    page = operator.open("/admin/workers/local-gpu-default")
    page.route(
        "**/admin/workers/local-gpu-default", lambda route: route.continue_(url=f"{fleet.url}/admin/workers/gone")
    )
    fleet.wait(fleet.submit("invert-video", input_video=fleet.upload(sample_path()))["id"])
    page.get_by_role("alert").get_by_text("There is no worker 'gone'").wait_for()
    page.get_by_role("heading", name="GPUs").wait_for()
