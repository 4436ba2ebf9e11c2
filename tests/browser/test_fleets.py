"""Fleets in a browser."""

from tests.support.browser import Visit


def test_an_operator_makes_a_fleet(operator: Visit) -> None:
    page = operator.open("/admin/comfyui/fleets")
    operator.check(page, "fleets")
    slug = f"made-on-{operator.view.name}"
    page.get_by_label("Slug").fill(slug)
    page.get_by_role("button", name="Make the fleet").click()
    page.get_by_text(f"Made the fleet local/{slug}.").wait_for()


def test_a_slug_that_is_taken_is_told_and_nothing_typed_is_lost(operator: Visit) -> None:
    page = operator.open("/admin/comfyui/fleets")
    page.get_by_label("Slug").fill("gpu-default")
    page.get_by_label("Name").fill("typed")
    page.get_by_role("button", name="Make the fleet").click()
    page.get_by_role("alert").get_by_text("has a fleet 'gpu-default' already").wait_for()
    assert page.get_by_label("Name").input_value() == "typed"
