"""A running system, a real browser, and people who are signed in."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, StorageState
from tests.support.browser import SCREENSHOTS, TESTED_VIEWS, View, Visit, chromium, find_chromium
from tests.support.fleet import Fleet

PASSWORD = "a long enough password"
SignIn = Callable[[str], StorageState]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let hostile texts into the system when all pictures are taken."""
    items.sort(key=lambda item: "test_hostile" in item.nodeid)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run one machine for all browser tests: its own Postgres, a worker, and the stand-in of ComfyUI."""
    with tempfile.TemporaryDirectory(prefix="comfyfleet-") as pictured:  # pages show it: no path of a test run
        folder = Path(pictured) if SCREENSHOTS else tmp_path_factory.mktemp("browser")
        with Fleet.up(folder / "data") as running:
            yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium; without one the tests are skipped, unless they were asked for."""
    executable = find_chromium()
    if executable is None:
        words = "no Chromium was found on this machine: install one (apt-get install chromium) for the browser tests"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(words)
        pytest.skip(words)
    with chromium(executable) as running:
        yield running


@pytest.fixture(scope="session")
def sign_in(fleet: Fleet, browser: Browser) -> SignIn:
    """Return how to get the cookies of somebody in a role, made and signed in as people are, once for each role."""
    known: dict[str, StorageState] = {}

    def as_role(role: str) -> StorageState:
        if role not in known:
            known[role] = _sign_in(fleet, browser, role)
        return known[role]

    return as_role


def _sign_in(fleet: Fleet, browser: Browser, role: str) -> StorageState:
    email = f"{role}@example.com"
    user = fleet.post("/api/tenants/local/users", {"email": email, "role": role})
    context = browser.new_context()
    page = context.new_page()
    page.goto(fleet.url + "/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(user["one_time_password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("One-time password").fill(user["one_time_password"])
    page.get_by_label(re.compile("New password")).fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(params=TESTED_VIEWS, ids=lambda view: view.name)
def view(request: pytest.FixtureRequest) -> View:
    """Return a screen and a colour scheme."""
    chosen: View = request.param
    return chosen


@pytest.fixture
def visit_as(fleet: Fleet, browser: Browser, sign_in: SignIn) -> Iterator[Callable[..., Visit]]:
    """Return how to look at the site in a role (None for a stranger) on a screen; a complaint fails the test."""
    visits: list[Visit] = []

    def look(role: str | None, view: View = TESTED_VIEWS[0], **options: Any) -> Visit:
        context = browser.new_context(
            viewport=view.size,
            color_scheme=view.scheme,
            reduced_motion="reduce",  # or a check of contrasts comes in the middle of a fade
            has_touch=view.is_phone,
            storage_state=sign_in(role) if role else None,
            **options,
        )
        visits.append(Visit(context, fleet.url, view))
        return visits[-1]

    yield look
    complaints = [complaint for visit in visits for complaint in visit.complaints]
    for visit in visits:
        visit.context.close()
    assert complaints == []


@pytest.fixture
def operator(visit_as: Callable[..., Visit], view: View) -> Visit:
    """Return an operator at a screen."""
    return visit_as("operator", view)


@pytest.fixture
def person(visit_as: Callable[..., Visit], view: View) -> Visit:
    """Return an end user at a screen."""
    return visit_as("user", view)
