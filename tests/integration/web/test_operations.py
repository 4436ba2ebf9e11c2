"""The admin's pages of jobs, tenants, the audit and settings: what they say, to whom, and what they let happen."""

from typing import Any

import httpx
import pytest
from tests.integration.web.conftest import PASSWORD
from tests.support.control_plane import FLEET_SECRET, ControlPlane, TenantAccess
from tests.support.simple_worker import SimpleWorker, lease_of

from comfyfleet.up.first_start import ADMIN_EMAIL

HOSTILE = "<script>alert(1)</script>"
LONG = "x" * 300


@pytest.fixture
async def tenant(control_plane: ControlPlane) -> TenantAccess:
    """Return a tenant with 100 credits."""
    return await control_plane.new_tenant("alpha")


async def failed_job(control_plane: ControlPlane, tenant: TenantAccess, message: str = "No such font") -> int:
    """Make a job that failed at a node; return its id."""
    job = await tenant.submit("caption-video", prompt=f"a red fox {HOSTILE}")
    async with SimpleWorker.registered(control_plane.url) as worker:
        leased = await worker.lease()
        at = {"node_id": "4", "node_type": "TextOverlay", "input_name": "text"}
        await worker.call("fail", **lease_of(leased), error_message=message, retryable=False, **at)
        await worker.call("deregister")
    job_id: int = job["id"]
    return job_id


async def signed_in_as(control_plane: ControlPlane, role: str) -> httpx.AsyncClient:
    """Return a browser of a new person in a role."""
    async with control_plane.client() as admin:
        body = {"email": f"{role}@example.com", "role": role}
        made = (await admin.post("/api/tenants/local/users", json=body)).json()["data"]
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=control_plane.url, headers=headers, timeout=60) as client:
        await client.post("/sign-in", data={"email": made["email"], "password": made["one_time_password"]})
        await client.post("/password", data={"current": made["one_time_password"], "new": PASSWORD})
        answer = await client.post("/sign-in", data={"email": made["email"], "password": PASSWORD})
        assert answer.status_code == 303
        return httpx.AsyncClient(base_url=control_plane.url, headers=headers, cookies=client.cookies, timeout=60)


async def text_of(client: httpx.AsyncClient, path: str) -> str:
    """Return a page that is shown."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def post(client: httpx.AsyncClient, path: str, **fields: Any) -> str:
    """Send a form that leads on; return what the next page tells of it."""
    answer = await client.post(path, data=fields)
    assert answer.status_code == 303, answer.text
    page = await text_of(client, answer.headers["location"])
    return page.split("data-notice>")[1].split("</div>")[0]


async def test_jobs_are_listed_searched_and_filtered(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    assert "No job was submitted yet." in await text_of(signed_in, "/admin/jobs")
    failed = await failed_job(control_plane, tenant)
    queued = (await tenant.submit("invert-image"))["id"]
    page = await text_of(signed_in, "/admin/jobs")
    assert f'id="job-{failed}"' in page
    assert f'id="job-{queued}"' in page
    for query in ("q=fox", "status=failed", f"q={failed}", "effect=caption-video", "worker=i-0simple"):
        page = await text_of(signed_in, f"/admin/jobs?{query}")
        assert (f'id="job-{failed}"' in page, f'id="job-{queued}"' in page) == (True, False), query
    assert "No job fits." in await text_of(signed_in, "/admin/jobs?q=nothing-like-that")
    assert "Show those of every tenant" in await text_of(signed_in, "/admin/jobs?tenant=alpha")
    assert (await signed_in.get("/admin/jobs?tenant=nobody")).status_code == 404


async def test_a_long_list_of_jobs_has_older_pages(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    upload = await tenant.upload(b"bytes")
    body = {"effect": "invert-video", "values": {"input_video": upload}}
    for _ in range(50):
        assert (await tenant.call("POST", "/api/jobs", body)).status_code == 201
    first = await tenant.call("GET", "/api/jobs?limit=200")
    assert len(first.json()["data"]["items"]) == 50
    page = await text_of(signed_in, "/admin/jobs?tenant=alpha")
    assert 'rel="next"' in page
    oldest = first.json()["data"]["items"][-1]["id"]
    assert "No job fits." in await text_of(signed_in, f"/admin/jobs?tenant=alpha&before={oldest}")


async def test_a_job_is_shown_with_its_error_in_place(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    job_id = await failed_job(control_plane, tenant, f"No such font {HOSTILE}")
    page = await text_of(signed_in, f"/admin/jobs/{job_id}")
    assert "<script>alert" not in page
    for words in (
        "What ComfyUI says",
        "No such font &lt;script&gt;",
        "(TextOverlay)",
        "a red fox",
        "clip.mp4",
        "<video",
    ):
        assert words in page, words
    assert "Do it again" in page
    assert (await signed_in.get("/admin/jobs/4711")).status_code == 404


async def test_a_job_is_canceled_and_done_again(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    job_id = (await tenant.submit())["id"]
    assert await post(signed_in, f"/admin/jobs/{job_id}/cancel") == f"Job {job_id} was canceled."
    assert await post(signed_in, f"/admin/jobs/{job_id}/retry") == f"Job {job_id} is done again as this one."
    assert "Done again" in await text_of(signed_in, f"/admin/jobs/{job_id}")
    refused = await signed_in.post(f"/admin/jobs/{job_id}/cancel")
    assert refused.status_code == 303
    again = await signed_in.post(f"/admin/jobs/{job_id}/retry")
    assert again.status_code == 409
    assert "is being done again" in again.text


async def test_a_tenant_is_made_changed_and_given_credits(signed_in: httpx.AsyncClient) -> None:
    assert await post(signed_in, "/admin/tenants", slug="acme", name=LONG) == f"Made the tenant {LONG}."
    assert await post(signed_in, "/admin/tenants/acme/grants", amount="50", reason="For patience") == (
        f"{LONG} got 50 credits."
    )
    assert await post(signed_in, "/admin/tenants/acme/settings", name=HOSTILE, max_open_jobs="3") == (
        "&lt;script&gt;alert(1)&lt;/script&gt; was saved."
    )
    page = await text_of(signed_in, "/admin/tenants/acme")
    assert "For patience" in page
    assert 'value="3"' in page
    assert HOSTILE not in page + await text_of(signed_in, "/admin/tenants") + await text_of(signed_in, "/admin/audit")
    assert "For patience" in await text_of(signed_in, "/admin/tenants/acme/ledger")
    assert await post(signed_in, "/admin/tenants/acme/settings", name="Acme", max_open_jobs="") == "Acme was saved."
    wrong = await signed_in.post("/admin/tenants/acme/grants", data={"amount": "many", "reason": "x"})
    assert (wrong.status_code, "Amount" in wrong.text) == (422, True)
    assert "No tenant has this" in await text_of(signed_in, "/admin/tenants?q=zebra")
    assert (await signed_in.get("/admin/tenants/nobody")).status_code == 404


async def test_people_are_added_changed_and_removed(signed_in: httpx.AsyncClient, tenant: TenantAccess) -> None:
    answer = await signed_in.post("/admin/tenants/alpha/users", data={"email": "ann@example.com", "role": "user"})
    assert answer.status_code == 200
    assert "One-time password of ann@example.com" in answer.text
    (ann,) = await users_of(tenant)
    path = f"/admin/tenants/alpha/users/{ann['id']}"
    assert await post(signed_in, f"{path}/role", role="viewer") == "ann@example.com is viewer now."
    assert "One-time password of ann@example.com" in (await signed_in.post(f"{path}/password")).text
    assert await post(signed_in, f"{path}/remove") == "ann@example.com was removed."
    assert "Nobody can sign in" in await text_of(signed_in, "/admin/tenants/alpha")


async def users_of(tenant: TenantAccess) -> list[dict[str, Any]]:
    """Return the people of a tenant."""
    async with tenant.control_plane.client() as admin:
        users: list[dict[str, Any]] = (await admin.get(f"/api/tenants/{tenant.slug}/users")).json()["data"]
    return users


async def test_nobody_is_offered_to_act_on_the_own_account(signed_in: httpx.AsyncClient) -> None:
    page = await text_of(signed_in, "/admin/tenants/local")
    assert ADMIN_EMAIL in page
    assert "/remove" not in page


async def test_a_secret_is_shown_once(signed_in: httpx.AsyncClient, tenant: TenantAccess) -> None:
    answer = await signed_in.post("/admin/tenants/alpha/keys", data={"name": "laptop", "role": "user"})
    token = answer.text.split("cfk_")[1].split("<")[0]
    assert answer.headers["cache-control"] == "no-store"
    async with tenant.control_plane.client(f"cfk_{token}") as client:
        assert (await client.get("/api/me")).json()["data"]["tenant_name"] == "Alpha"
    page = await text_of(signed_in, "/admin/tenants/alpha")
    assert token not in page
    key_id = page.split("/admin/tenants/alpha/keys/")[1].split("/revoke")[0]
    assert await post(signed_in, f"/admin/tenants/alpha/keys/{key_id}/revoke") == "The key laptop was revoked."


async def test_the_audit_is_searched_and_leads_to_what_was_changed(
    signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    job_id = (await tenant.submit())["id"]
    await post(signed_in, f"/admin/jobs/{job_id}/cancel")
    await post(signed_in, "/admin/tenants/alpha/settings", name="Alpha", max_open_jobs="7")
    page = await text_of(signed_in, "/admin/audit")
    assert f'href="/admin/jobs/{job_id}"' in page
    assert "none → 7" in page
    page = await text_of(signed_in, "/admin/audit?action=job.")
    assert ("job.cancel" in page, "tenant.update" in page) == (True, False)
    assert "No act fits." in await text_of(signed_in, "/admin/audit?q=nothing-like-that")
    assert "Show all" in await text_of(signed_in, f"/admin/audit?actor={ADMIN_EMAIL}&q=alpha")


async def test_settings_show_health_and_no_secret(signed_in: httpx.AsyncClient) -> None:
    page = await text_of(signed_in, "/admin/settings")
    for words in ("Database", "Postgres", "COMFYUI_FLEET_SECRET", "Media storage", "LEASE_MINIMUM_SECONDS"):
        assert words in page
    assert FLEET_SECRET not in page


_PAGES = ("/admin/jobs", "/admin/jobs/{job}", "/admin/tenants", "/admin/tenants/alpha", "/admin/tenants/alpha/ledger",
          "/admin/audit", "/admin/settings")  # fmt: skip
_ACTS = ("/admin/jobs/{job}/cancel", "/admin/jobs/{job}/retry", "/admin/tenants", "/admin/tenants/alpha/grants",
         "/admin/tenants/alpha/settings", "/admin/tenants/alpha/users", "/admin/tenants/alpha/keys")  # fmt: skip
_FIELDS = {"slug": "x", "name": "x", "amount": "1", "reason": "x", "email": "a@b.c", "role": "operator"}


async def test_a_viewer_sees_everything_and_changes_nothing(control_plane: ControlPlane, tenant: TenantAccess) -> None:
    job_id = (await tenant.submit())["id"]
    async with await signed_in_as(control_plane, "viewer") as viewer:
        for path in _PAGES:
            page = await text_of(viewer, path.format(job=job_id))
            assert ("hx-post" in page, page.count('method="post"')) == (False, 1), "only signing out is offered"
        for path in _ACTS:
            assert (await viewer.post(path.format(job=job_id), data=_FIELDS)).status_code == 403, path


async def test_a_user_is_shown_none_of_it(control_plane: ControlPlane, tenant: TenantAccess) -> None:
    job_id = (await tenant.submit())["id"]
    async with await signed_in_as(control_plane, "user") as user:
        for path in _PAGES:
            assert (await user.get(path.format(job=job_id))).status_code == 403, path
        for path in _ACTS:
            assert (await user.post(path.format(job=job_id), data=_FIELDS)).status_code == 403, path


async def test_a_problem_of_a_form_is_shown_above_the_page_for_scripts(signed_in: httpx.AsyncClient) -> None:
    fields = {"email": ADMIN_EMAIL, "role": "user"}
    answer = await signed_in.post("/admin/tenants/local/users", data=fields, headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert (answer.headers["hx-retarget"], answer.headers["hx-reselect"]) == ("#notices", "unset")


async def test_files_are_led_to_from_a_steady_address(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    job_id = (await tenant.submit())["id"]
    assert (await signed_in.get(f"/admin/jobs/{job_id}/output")).status_code == 404
    async with SimpleWorker.registered(control_plane.url) as worker:
        await worker.render()
    for path, content in (("output", b"rendered"), ("files/input_video", b"bytes of a file")):
        answer = await signed_in.get(f"/admin/jobs/{job_id}/{path}")
        assert answer.status_code == 307
        assert (await signed_in.get(answer.headers["location"])).content == content
    assert (await signed_in.get(f"/admin/jobs/{job_id}/files/nothing")).status_code == 404


async def test_what_was_done_is_told_by_the_next_page_though_a_part_of_this_one_is_renewed_before(
    signed_in: httpx.AsyncClient,
) -> None:
    answer = await signed_in.post("/admin/tenants", data={"slug": "told", "name": "Told"})
    page = answer.headers["location"]
    part = await signed_in.get(page, headers={"HX-Request": "true"})
    assert (part.status_code, "data-notice>" in part.text) == (200, False)
    assert "data-notice>" in await text_of(signed_in, page)
