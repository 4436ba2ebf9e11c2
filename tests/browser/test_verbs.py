"""Verbs on the fleet's page in a browser: planned, agreed to, followed while they run, canceled."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.browser.conftest import PASSWORD
from tests.support.browser import View, Visit
from tests.support.operated_site import OperatedSite, operated_site

from comfyfleet import names
from comfyfleet.up.first_start import ADMIN_EMAIL

FLEET = "/admin/comfyui/fleets/staging/gpu-default"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001f61738"
    "550000000049454e44ae426082"
)


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[OperatedSite]:
    """Run a site whose verbs change a cloud in memory."""
    with operated_site(database_url, tmp_path) as running:
        yield running


@pytest.fixture
def visit(site: OperatedSite, browser: Browser, view: View) -> Iterator[Visit]:
    """Return an operator at a screen, signed in; a complaint fails the test."""
    context = browser.new_context(
        viewport=view.size, color_scheme=view.scheme, reduced_motion="reduce", has_touch=view.is_phone
    )
    visit = Visit(context, site.url, view)
    page = visit.open("/sign-in")
    page.get_by_label("E-mail").fill(ADMIN_EMAIL)
    page.get_by_label("Password").fill(site.first_password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("One-time password").fill(site.first_password)
    page.get_by_label(re.compile("New password")).fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    page.get_by_label("E-mail").fill(ADMIN_EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    yield visit
    complaints = visit.complaints
    context.close()
    assert complaints == []


def test_a_dev_node_is_launched_followed_and_ended(visit: Visit, site: OperatedSite) -> None:
    page = visit.open(FLEET)
    page.get_by_role("link", name="Launch a dev node").click()
    page.get_by_text("Nothing was done yet.").wait_for()
    visit.check(page, "verb-launch")
    page.get_by_label("Hours", exact=True).fill("2")
    page.get_by_role("button", name="Show the plan").click()
    page.get_by_text("After 2 h it ends, with its disk").wait_for()
    page.get_by_role("button", name="Launch a dev node").click()
    page.get_by_text("is up. Open it:").wait_for()
    visit.check(page, "operation")
    page.get_by_role("link", name="staging/gpu-default").click()
    page.get_by_role("link", name="End it").wait_for()
    visit.check(page, "fleet-in-a-cloud")
    page.get_by_role("link", name="End it").click()
    page.get_by_role("button", name="End a dev node").click()
    page.get_by_text("is terminated.").wait_for()
    assert site.memory.alive(names.DEV_NODE_ROLE) == []
    listed = visit.open("/admin/comfyui/operations")
    listed.get_by_role("link", name=re.compile("Launch a dev node of staging")).wait_for()
    visit.check(listed, "operations")


def test_a_roll_is_watched_while_it_waits_for_its_proof_and_canceled(visit: Visit, site: OperatedSite) -> None:
    old = site.memory.groups.join(site.memory.base_id)
    page = visit.open(f"{FLEET}/verbs/roll?canary_seconds=172800")
    page.get_by_text("Choose one, or tick that none is wanted.").wait_for()
    page.get_by_label("Workflow that the first machine has to render").select_option("soft")
    page.get_by_role("button", name="Show the plan").click()
    page.get_by_text("What the first machine has to render").wait_for()
    visit.check(page, "verb-roll")
    page.get_by_role("button", name="Roll the machines").click()
    page.locator("#value-image:invalid").wait_for()
    assert site.memory.rolls.started == []
    page.locator("#value-image").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PIXEL})
    page.get_by_role("button", name="Roll the machines").click()
    page.get_by_text(re.compile("Waiting for the worker of i-")).wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("It was canceled by").wait_for()
    page.get_by_text("Taking the roll back").wait_for()
    visit.check(page, "operation-canceled")
    assert old not in site.memory.groups.members
    assert set(site.memory.groups.members.values()) == {site.memory.base_id}
