"""The page of runs: whose, in which order, and page by page."""

import re
from uuid import UUID

import httpx
import pytest
from tests.support.control_plane import ControlPlane, TenantAccess

from comfyfleet.web.pages.runs import RUNS_ON_A_PAGE

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def own(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> TenantAccess:
    """Return access to the tenant of who is signed in."""
    me = (await signed_in.get("/api/me")).json()["data"]
    return TenantAccess(control_plane, UUID(me["tenant_id"]), "own", control_plane.admin_key)


def _listed(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'href="/effects/[a-z-]+\?job=(\d+)"', page)]


async def test_runs_are_listed_newest_first_page_by_page(own: TenantAccess, signed_in: httpx.AsyncClient) -> None:
    upload = await own.upload(b"bytes of a file")
    jobs = [(await own.submit(input_video=upload))["id"] for _ in range(RUNS_ON_A_PAGE + 2)]
    newest_first = sorted(jobs, reverse=True)
    first = (await signed_in.get("/runs")).text
    assert _listed(first) == newest_first[:RUNS_ON_A_PAGE]
    older = re.search(r'href="(/runs\?before=\d+)"', first)
    assert older is not None
    last = (await signed_in.get(older[1])).text
    assert _listed(last) == newest_first[RUNS_ON_A_PAGE:]
    assert "Older runs" not in last


async def test_runs_of_others_are_not_listed(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> None:
    await (await control_plane.new_tenant("alpha")).submit()
    page = (await signed_in.get("/runs")).text
    assert _listed(page) == []
    assert "There are no runs here" in page


async def test_a_canceled_run_says_so(own: TenantAccess, signed_in: httpx.AsyncClient) -> None:
    job = await own.submit()
    assert ">queued<" in (await signed_in.get("/runs")).text
    await own.call("POST", f"/api/jobs/{job['id']}/cancel")
    assert ">canceled<" in (await signed_in.get("/runs")).text


async def test_hostile_words_of_a_run_are_shown_as_text_or_not_at_all(
    control_plane: ControlPlane, own: TenantAccess, signed_in: httpx.AsyncClient
) -> None:
    async with control_plane.client() as admin:
        effect = {"name": HOSTILE, "slug": "hostile", "description": "", "workflow": "caption-video"}
        assert (await admin.post("/api/effects", json=effect)).status_code == 201
    job = await own.submit("hostile", prompt=HOSTILE)
    for path in ("/runs", f"/effects/hostile?job={job['id']}"):
        page = (await signed_in.get(path)).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


async def test_strangers_are_led_to_sign_in_and_back(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/runs?before=5")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fruns%3Fbefore%3D5"


@pytest.mark.parametrize("before", ["x", "0", "99999999999999999999"])
async def test_a_senseless_page_number_is_refused_with_a_page(signed_in: httpx.AsyncClient, before: str) -> None:
    answer = await signed_in.get("/runs", params={"before": before})
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
