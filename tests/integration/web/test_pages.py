"""Pages: who may see them, and that nothing hostile runs in them."""

import re

import httpx
import pytest
from tests.integration.web.conftest import PASSWORD
from tests.support.control_plane import ControlPlane

from comfyfleet.up.first_start import ADMIN_EMAIL
from comfyfleet.up.seed import seed_effects

HOSTILE = "<script>alert(1)</script>\"'{{7*7}}"


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/effects/caption-video", "/effects/nothing", "/nothing", "/static/effect.js"]
)
async def test_every_page_is_guarded_by_headers(browser: httpx.AsyncClient, path: str) -> None:
    headers = (await browser.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


async def test_a_one_time_password_leads_to_the_choice_of_another(
    control_plane: ControlPlane, browser: httpx.AsyncClient
) -> None:
    first = {"email": ADMIN_EMAIL, "password": control_plane.first_password, "next": "/effects/invert-video"}
    answer = await browser.post("/sign-in", data=first)
    assert answer.headers["location"] == "/password?next=%2Feffects%2Finvert-video"
    assert (await browser.get("/effects/caption-video")).headers["location"].startswith("/password")
    refused = await browser.get("/api/jobs")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "password_change_required"


async def test_a_one_time_password_works_once(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> None:
    first = {"email": ADMIN_EMAIL, "password": control_plane.first_password}
    assert (await signed_in.post("/sign-in", data=first)).status_code == 401


async def test_the_session_cookie_is_out_of_reach(signed_in: httpx.AsyncClient) -> None:
    answer = await signed_in.post("/sign-in", data={"email": ADMIN_EMAIL, "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\r\n/evil.example",
        "javascript:alert(1)",
        "/sign-in?next=/",
        "/password",
    ],
)
async def test_signing_in_goes_on_to_our_own_pages_only(signed_in: httpx.AsyncClient, target: str) -> None:
    answer = await signed_in.post("/sign-in", data={"email": ADMIN_EMAIL, "password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_another_site_can_change_nothing(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(
        base_url=control_plane.url, cookies=signed_in.cookies, headers=headers, timeout=60
    ) as elsewhere:
        for path in ("/sign-in", "/sign-out"):
            assert (await elsewhere.post(path, data={"email": "a@b", "password": "x"})).status_code == 403
        assert (await elsewhere.post("/api/jobs", json={"effect": "invert-video"})).status_code == 403
    assert (await signed_in.get("/api/me")).status_code == 200


async def test_signing_out_ends_the_session(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> None:
    kept = dict(signed_in.cookies)
    await signed_in.post("/sign-out")
    async with httpx.AsyncClient(base_url=control_plane.url, cookies=kept, timeout=60) as thief:
        assert (await thief.get("/api/me")).status_code == 401


@pytest.mark.parametrize("name", ["Sec-Fetch-Site", "Referer"])
async def test_a_page_whose_session_ended_says_to_sign_in_again(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, name: str
) -> None:
    await signed_in.post("/sign-out")
    sent = {"Sec-Fetch-Site": "same-origin", "Referer": f"{control_plane.url}/effects/caption-video"}[name]
    async with httpx.AsyncClient(base_url=control_plane.url, headers={name: sent}, timeout=60) as page:
        answer = await page.get("/api/me")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")
    assert answer.json()["error"]["hint"] == "Sign in again."


@pytest.mark.parametrize("headers", [{}, {"Referer": "https://elsewhere.example/"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_program_without_a_key_hears_of_keys(control_plane: ControlPlane, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=control_plane.url, headers=headers, timeout=60) as program:
        answer = await program.get("/api/me")
    assert answer.json()["error"]["hint"] == "Sign in, or send an API key as a bearer token."


async def test_the_way_in_leads_back_to_the_run_that_was_asked_for(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient
) -> None:
    async with httpx.AsyncClient(base_url=control_plane.url, timeout=60) as stranger:
        page = (await stranger.get("/effects/caption-video?job=7")).text
    assert 'href="/sign-in?next=/effects/caption-video%3Fjob%3D7"' in page
    form = {"email": ADMIN_EMAIL, "password": PASSWORD, "next": "/effects/caption-video?job=7"}
    assert (await signed_in.post("/sign-in", data=form)).headers["location"] == "/effects/caption-video?job=7"


async def test_a_changed_password_is_confirmed(control_plane: ControlPlane, browser: httpx.AsyncClient) -> None:
    await browser.post("/sign-in", data={"email": ADMIN_EMAIL, "password": control_plane.first_password})
    answer = await browser.post("/password", data={"current": control_plane.first_password, "new": PASSWORD})
    assert "Your password was changed" in (await browser.get(answer.headers["location"])).text
    assert "Your password was changed" not in (await browser.get("/sign-in")).text


async def test_a_short_password_is_refused(control_plane: ControlPlane, browser: httpx.AsyncClient) -> None:
    await browser.post("/sign-in", data={"email": ADMIN_EMAIL, "password": control_plane.first_password})
    answer = await browser.post("/password", data={"current": control_plane.first_password, "new": "short"})
    assert answer.status_code == 422
    assert "12 characters" in answer.text


async def test_guessing_passwords_is_slowed_down(browser: httpx.AsyncClient) -> None:
    wrong = {"email": "guess@example.com", "password": "wrong"}
    answers = [await browser.post("/sign-in", data=wrong) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]


async def test_hostile_words_are_shown_as_text(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> None:
    async with control_plane.client() as admin:
        effect = {"name": HOSTILE, "slug": "hostile", "description": HOSTILE, "workflow": "invert-video"}
        assert (await admin.post("/api/effects", json=effect)).status_code == 201
    for path in ("/", "/effects/hostile"):
        page = (await signed_in.get(path)).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "{{7*7}}" in page


async def test_the_public_sees_nothing_of_the_workflow(signed_in: httpx.AsyncClient) -> None:
    page = (await signed_in.get("/effects/caption-video")).text
    view = (await signed_in.get("/api/effects/caption-video")).text
    for secret in ("TextOverlay", "LoadVideo", "class_type", "node_id", "input_name", "placeholder", "{{PROMPT}}"):
        assert secret not in page
        assert secret not in view


@pytest.mark.parametrize(
    ("path", "words"), [("/effects/nothing", "There is no effect"), ("/nothing", "There is no such page")]
)
async def test_what_does_not_exist_is_a_page_that_says_so(signed_in: httpx.AsyncClient, path: str, words: str) -> None:
    answer = await signed_in.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text
    assert ADMIN_EMAIL in answer.text


async def test_an_incomplete_form_is_answered_with_a_page(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/sign-in")
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/nothing", "/api/effects/nothing", "/static/nothing.js"])
async def test_programs_still_get_errors_as_json(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["kind"] == "not_found"


async def test_the_first_effects_show_what_they_make(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/")).text
    sources = re.findall(r'src="(/effects/[a-z-]+/preview[^"]*)"', page)
    assert len(sources) == len(seed_effects())
    for source in sources:
        shown = await browser.get(source, follow_redirects=True)
        assert shown.status_code == 200
        assert shown.headers["content-type"] in {"video/mp4", "image/webp"}
