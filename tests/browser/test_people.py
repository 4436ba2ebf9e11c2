"""Tenants, people, keys, the audit and settings in a browser."""

from collections.abc import Callable

import httpx
from tests.support.browser import Visit
from tests.support.fleet import Fleet


def test_a_tenant_is_made_and_looked_after(operator: Visit, fleet: Fleet) -> None:
    slug = f"acme-{operator.view.name}"
    page = operator.open("/admin/tenants")
    operator.check(page, "tenants")
    page.get_by_label("Slug").fill(slug)
    page.get_by_label("Name").fill("Acme Film")
    page.get_by_role("button", name="Make the tenant").click()
    page.get_by_text("Made the tenant Acme Film.").wait_for()

    page.get_by_label("Credits", exact=True).fill("500")
    page.get_by_label("Reason").fill("The first month")
    page.get_by_role("button", name="Give them").click()
    page.get_by_text("Acme Film got 500 credits.").wait_for()
    page.get_by_label("Open jobs at most").fill("20")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Acme Film was saved.").wait_for()

    page.get_by_label("E-mail of a new person").fill(f"ann@{slug}.example")
    page.get_by_role("button", name="Add the person").click()
    page.get_by_role("heading", name=f"One-time password of ann@{slug}.example").wait_for()
    page.get_by_role("cell", name=f"ann@{slug}.example").first.wait_for()
    page.get_by_label(f"Role of ann@{slug}.example").select_option("viewer")
    page.get_by_role("button", name="Set", exact=True).click()
    page.get_by_text(f"ann@{slug}.example is viewer now.").wait_for()

    page.get_by_label("What a new key is for").fill("render script")
    page.get_by_role("button", name="Make the key").click()
    page.get_by_role("heading", name="API key of render script").wait_for()
    token = page.locator("#secret code").inner_text()
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{fleet.url}/api/me", headers=headers, timeout=60).json()["data"]["balance"]["available"] == 500
    operator.check(page, "tenant")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("The key render script was revoked.").wait_for()
    assert httpx.get(f"{fleet.url}/api/me", headers=headers, timeout=60).status_code == 401
    page.get_by_role("link", name="All entries").click()
    page.get_by_text("The first month").wait_for()
    operator.check(page, "ledger")

    page.goto(f"{fleet.url}/admin/audit")
    page.get_by_label("Search acts").fill(slug)
    page.get_by_role("row").filter(has_text=slug).filter(has_text="none → 20").wait_for()
    page.get_by_text("first start").first.wait_for(state="detached")
    operator.check(page, "audit")
    page.get_by_label("About").select_option("credits.")
    page.get_by_text("tenant.create").first.wait_for(state="detached")


def test_what_a_form_got_wrong_is_told_and_nothing_typed_is_lost(visit_as: Callable[..., Visit]) -> None:
    page = visit_as("operator").open("/admin/tenants/local")
    page.get_by_label("E-mail of a new person").fill("operator@example.com")
    page.get_by_role("button", name="Add the person").click()
    page.get_by_role("alert").get_by_text("There is a user 'operator@example.com' already.").wait_for()
    assert page.get_by_label("E-mail of a new person").input_value() == "operator@example.com"


def test_settings_are_shown_to_viewers(visit_as: Callable[..., Visit], operator: Visit) -> None:
    page = operator.open("/admin/settings")
    page.get_by_text("COMFYUI_FLEET_SECRET").wait_for()
    operator.check(page, "settings")
    viewer = visit_as("viewer").open("/admin/tenants/local")
    assert viewer.get_by_role("button", name="Make the key").count() == 0
