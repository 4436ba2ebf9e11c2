"""Operators look after tenants: limits, credits, people and keys, and everything is noted."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker

from comfyfleet.up.first_start import ADMIN_EMAIL


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    """Return the operator, who comes with a key."""
    return OperatorAccess(control_plane)


async def sign_in(control_plane: ControlPlane, email: str, password: str) -> httpx.Cookies:
    """Sign a person in, who then chooses a password of their own; return the cookies."""
    own = f"{password} and mine"
    async with httpx.AsyncClient(
        base_url=control_plane.url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60
    ) as http:
        first = await http.post("/api/auth/sign-in", json={"email": email, "password": password})
        assert first.status_code == 200, first.text
        await http.post("/api/auth/password", json={"current": password, "new": own})
        await http.post("/api/auth/sign-in", json={"email": email, "password": own})
        return http.cookies


async def as_person(control_plane: ControlPlane, cookies: httpx.Cookies, method: str, path: str, body: Any) -> Any:
    """Call the API as a person does from a page; return status and code of the error, if any."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=control_plane.url, headers=headers, cookies=cookies, timeout=60) as http:
        answer = await http.request(method, path, json=body)
    return answer.status_code, (answer.json().get("error") or {}).get("code")


async def add_user(operator: OperatorAccess, email: str, role: str = "user", slug: str = "alpha") -> dict[str, Any]:
    """Make a person; return it with the one-time password."""
    user: dict[str, Any] = await operator.data("POST", f"/tenants/{slug}/users", {"email": email, "role": role})
    return user


async def test_tenants_are_searched_and_read_page_by_page(
    control_plane: ControlPlane, operator: OperatorAccess
) -> None:
    for slug in ("acme-film", "acme-games", "zebra"):
        await control_plane.new_tenant(slug)
    page = await operator.get("/tenants", q="ACME", limit=1)
    assert ([tenant["slug"] for tenant in page["items"]], page["total"]) == (["acme-film"], 2)
    page = await operator.get("/tenants", q="acme", limit=1, offset=1)
    assert [tenant["slug"] for tenant in page["items"]] == ["acme-games"]
    assert page["items"][0]["balance"]["available"] == 100
    assert (await operator.get("/tenants", q="%"))["total"] == 0
    assert (await operator.get("/tenants"))["total"] == 4


async def test_a_tenant_is_made_and_changed(operator: OperatorAccess) -> None:
    made = await operator.data("POST", "/tenants", {"slug": "acme", "name": "Acme"})
    assert (made["max_open_jobs"], made["balance"]["available"]) == (None, 0)
    changed = await operator.data("PATCH", "/tenants/acme", {"name": "Acme Film", "max_open_jobs": 3})
    assert (changed["name"], changed["max_open_jobs"]) == ("Acme Film", 3)
    assert (await operator.data("PATCH", "/tenants/acme", {"name": "Acme Film"}))["max_open_jobs"] == 3
    assert (await operator.data("PATCH", "/tenants/acme", {"max_open_jobs": None}))["max_open_jobs"] is None
    assert await operator.refused("PATCH", "/tenants/acme", {"max_open_jobs": -1}) == (422, "request_invalid")
    assert await operator.refused("PATCH", "/tenants/nobody", {"name": "x"}) == (404, "tenant_not_found")
    assert [detail for _, detail in await operator.noted("tenant.")] == [
        {"name": "Acme"},
        {"changes": {"name": ["Acme", "Acme Film"], "max_open_jobs": [None, 3]}},
        {"changes": {"max_open_jobs": [3, None]}},
    ]


async def test_a_grant_has_a_reason_and_is_noted(operator: OperatorAccess, tenant: TenantAccess) -> None:
    given = await operator.data("POST", "/tenants/alpha/grants", {"amount": 5, "reason": "for patience"})
    assert given["balance"]["available"] == 105
    (subject, detail) = (await operator.noted("credits.grant"))[0]
    assert (subject, detail) == ("alpha", {"amount": 5, "reason": "for patience"})
    assert await operator.refused("POST", "/tenants/alpha/grants", {"amount": 5, "reason": ""}) == (
        422,
        "request_invalid",
    )


async def test_open_jobs_are_limited(operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker) -> None:
    await operator.data("PATCH", "/tenants/alpha", {"max_open_jobs": 2})
    await tenant.submit()
    queued = await tenant.submit()
    leased = await worker.lease()
    upload = await tenant.upload(b"one more")
    body = {"effect": "invert-video", "values": {"input_video": upload}}
    refused = await tenant.call("POST", "/api/jobs", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_open_jobs")
    assert "2 jobs" in refused.json()["message"]
    assert await tenant.ledger() == [("reserve", 2)] * 2
    await worker.complete(leased, await worker.put_output(leased))
    assert (await tenant.call("POST", "/api/jobs", body)).status_code == 201
    await operator.data("POST", f"/admin/jobs/{queued['id']}/cancel")
    await operator.data("PATCH", "/tenants/alpha", {"max_open_jobs": 1})
    assert await operator.refused("POST", f"/admin/jobs/{queued['id']}/retry") == (429, "too_many_open_jobs")


async def test_a_limit_holds_for_submissions_at_once(operator: OperatorAccess, tenant: TenantAccess) -> None:
    await operator.data("PATCH", "/tenants/alpha", {"max_open_jobs": 3})
    upload = await tenant.upload(b"bytes")
    body = {"effect": "invert-video", "values": {"input_video": upload}}
    answers = await asyncio.gather(*(tenant.call("POST", "/api/jobs", body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 5


async def test_people_get_another_role_and_lose_it(
    control_plane: ControlPlane, operator: OperatorAccess, tenant: TenantAccess
) -> None:
    made = await add_user(operator, "ann@example.com")
    cookies = await sign_in(control_plane, "ann@example.com", made["one_time_password"])
    assert await as_person(control_plane, cookies, "GET", "/api/tenants", None) == (403, "admin_only")
    path = f"/tenants/alpha/users/{made['id']}"
    assert (await operator.data("PATCH", path, {"role": "viewer"}))["role"] == "viewer"
    assert await as_person(control_plane, cookies, "GET", "/api/tenants", None) == (200, None)
    assert await as_person(control_plane, cookies, "PATCH", f"/api{path}", {"role": "operator"}) == (
        403,
        "operator_only",
    )
    await operator.data("PATCH", path, {"role": "viewer"})
    acts = [(subject, detail) for subject, detail in await operator.noted("user.")]
    assert acts == [
        ("ann@example.com", {"tenant": "alpha", "role": "user"}),
        ("ann@example.com", {"tenant": "alpha", "from": "user", "to": "viewer"}),
    ]


async def test_a_new_one_time_password_ends_the_old_one_and_all_sessions(
    control_plane: ControlPlane, operator: OperatorAccess, tenant: TenantAccess
) -> None:
    made = await add_user(operator, "ann@example.com")
    cookies = await sign_in(control_plane, "ann@example.com", made["one_time_password"])
    renewed = await operator.data("POST", f"/tenants/alpha/users/{made['id']}/password")
    assert renewed["email"] == "ann@example.com"
    assert (await as_person(control_plane, cookies, "GET", "/api/jobs", None))[0] == 401
    cookies = await sign_in(control_plane, "ann@example.com", renewed["one_time_password"])
    assert (await as_person(control_plane, cookies, "GET", "/api/jobs", None))[0] == 200
    (shown,) = await operator.get("/tenants/alpha/users")
    assert (shown["role"], shown["must_change_password"]) == ("user", False)
    assert [subject for subject, _ in await operator.noted("user.password")] == ["ann@example.com"]


async def test_a_removed_person_is_gone_at_once(
    control_plane: ControlPlane, operator: OperatorAccess, tenant: TenantAccess
) -> None:
    made = await add_user(operator, "ann@example.com")
    cookies = await sign_in(control_plane, "ann@example.com", made["one_time_password"])
    await operator.data("DELETE", f"/tenants/alpha/users/{made['id']}")
    assert (await as_person(control_plane, cookies, "GET", "/api/jobs", None))[0] == 401
    assert await operator.get("/tenants/alpha/users") == []
    assert await operator.refused("DELETE", f"/tenants/alpha/users/{made['id']}") == (404, "user_not_found")
    assert await operator.refused("DELETE", f"/tenants/local/users/{made['id']}") == (404, "user_not_found")
    assert [detail["tenant"] for _, detail in await operator.noted("user.remove")] == ["alpha"]


async def test_the_last_operator_stays(operator: OperatorAccess, tenant: TenantAccess) -> None:
    (admin,) = await operator.get("/tenants/local/users")
    assert admin["email"] == ADMIN_EMAIL
    path = f"/tenants/local/users/{admin['id']}"
    assert await operator.refused("PATCH", path, {"role": "viewer"}) == (409, "last_operator")
    assert await operator.refused("DELETE", path) == (409, "last_operator")
    await add_user(operator, "second@example.com", "operator")
    assert (await operator.data("PATCH", path, {"role": "viewer"}))["role"] == "viewer"


async def test_two_operators_who_remove_each_other_leave_one(
    control_plane: ControlPlane, operator: OperatorAccess, tenant: TenantAccess
) -> None:
    (admin,) = await operator.get("/tenants/local/users")
    second = await add_user(operator, "second@example.com", "operator")
    paths = [f"/tenants/local/users/{admin['id']}", f"/tenants/alpha/users/{second['id']}"]
    answers = await asyncio.gather(*(operator.call("PATCH", path, {"role": "user"}) for path in paths))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_nobody_takes_the_own_role_away(
    control_plane: ControlPlane, operator: OperatorAccess, tenant: TenantAccess
) -> None:
    made = await add_user(operator, "ann@example.com", "operator")
    cookies = await sign_in(control_plane, "ann@example.com", made["one_time_password"])
    path = f"/api/tenants/alpha/users/{made['id']}"
    assert await as_person(control_plane, cookies, "PATCH", path, {"role": "user"}) == (403, "own_account")
    assert await as_person(control_plane, cookies, "DELETE", path, None) == (403, "own_account")


async def test_keys_of_any_tenant_are_made_and_revoked(operator: OperatorAccess, tenant: TenantAccess) -> None:
    made = await operator.data("POST", "/keys", {"name": "laptop"}, tenant="alpha")
    viewer = await operator.data("POST", "/keys", {"name": "watch", "role": "viewer"}, tenant="alpha")
    assert (made["key"]["role"], viewer["key"]["role"]) == ("user", "viewer")
    async with tenant.control_plane.client(viewer["token"]) as watching:
        assert (await watching.get("/api/tenants")).status_code == 200
        assert (await watching.post("/api/tenants", json={"slug": "x", "name": "X"})).status_code == 403
    for _ in range(2):
        revoked = await operator.data("DELETE", f"/keys/{made['key']['id']}", tenant="alpha")
        assert revoked["revoked_at"] is not None
    keys = await operator.get("/keys", tenant="alpha")
    assert [key["name"] for key in keys] == ["watch", "laptop", "test"]
    acts = [(subject, detail["tenant"], detail["role"]) for subject, detail in await operator.noted("key.")]
    assert acts == [("laptop", "alpha", "user"), ("watch", "alpha", "viewer"), ("laptop", "alpha", "user")]


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_a_key_may_do_no_more_than_who_makes_it(tenant: TenantAccess, role: str) -> None:
    refused = await tenant.call("POST", "/api/keys", {"name": "greed", "role": role})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "role_too_high")
    assert (await tenant.call("POST", "/api/keys", {"name": "modest"})).json()["data"]["key"]["role"] == "user"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tenants/alpha/users"),
        ("POST", "/tenants/alpha/users"),
        ("PATCH", "/tenants/alpha"),
        ("PATCH", "/tenants/alpha/users/00000000-0000-0000-0000-000000000000"),
        ("POST", "/tenants/alpha/users/00000000-0000-0000-0000-000000000000/password"),
        ("DELETE", "/tenants/alpha/users/00000000-0000-0000-0000-000000000000"),
        ("POST", "/keys?tenant=local"),
    ],
)
async def test_a_tenant_looks_after_nobody(tenant: TenantAccess, method: str, path: str) -> None:
    body = {"name": "x"} if method == "POST" and "keys" in path else {}
    body = {"email": "a@b.c"} if path.endswith("users") else body
    body = {"role": "operator"} if method == "PATCH" and "users" in path else body
    assert (await tenant.call(method, f"/api{path}", body)).status_code == 403


@pytest.mark.parametrize("body", [{"slug": "a\x00b", "name": "x"}, {"slug": "ab", "name": "a\x00b"}])
async def test_what_postgres_cannot_hold_is_refused(operator: OperatorAccess, body: dict[str, str]) -> None:
    assert (await operator.refused("POST", "/tenants", body))[0] == 422
