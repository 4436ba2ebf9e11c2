"""The runbook's step 11 and its end-to-end processing in a browser: an effect is made, found, and run."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from playwright.sync_api import Page
from tests.support.browser import TESTED_VIEWS, View, Visit
from tests.support.fleet import Fleet

from comfyfleet.up.seed import sample_path


def write_video(path: Path, seconds: float) -> Path:
    """Write a clip of ten frames a second in H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(seconds * 10)):
            picture = np.full((48, 64, 3), (number * 7) % 255, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def duration_of(path: Path) -> float:
    with av.open(str(path)) as container:
        return float((container.duration or 0) / av.time_base)


def give_credits(fleet: Fleet) -> None:
    fleet.post("/api/tenants/local/grants", {"amount": 100, "reason": "for tests"})


def test_an_operator_makes_an_effect_with_a_preview(operator: Visit, fleet: Fleet) -> None:
    slug = f"loud-{operator.view.name}"
    page = operator.open("/admin/effects")
    operator.check(page, "effects-admin")
    page.get_by_role("link", name="Create an effect").click()
    page.get_by_label("Workflow").select_option("caption-video")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name", exact=True).fill(f"Loud caption {operator.view.name}")
    page.get_by_label("Slug").fill(slug)
    page.get_by_label("Credits for a run").fill("3")
    page.get_by_role("button", name="Create the effect").click()
    page.get_by_text("Made the effect Loud caption").wait_for()
    page.get_by_label("A picture or a clip").set_input_files(sample_path())
    page.get_by_role("button", name="Save the preview").click()
    page.get_by_text("The preview was saved.").wait_for()
    operator.check(page, "effect-admin")
    assert fleet.get(f"/api/effects/{slug}")["preview_type"] == "video/mp4"
    page.goto(f"{operator.url}/admin/effects")
    page.get_by_role("button", name=f"Move Loud caption {operator.view.name} up").click()
    page.get_by_text("The order was saved.").wait_for()
    page.locator("tr", has_text=slug).get_by_role("button", name="Deactivate").click()
    page.get_by_text("is out of the catalogue").wait_for()
    assert fleet.http.get(f"/api/effects/{slug}").status_code == 404


def test_a_stranger_sees_the_catalogue_and_is_asked_to_sign_in(visit_as: Callable[..., Visit], view: View) -> None:
    stranger = visit_as(None, view)
    page = stranger.open("/")
    stranger.check(page, "catalogue")
    page.get_by_role("link", name="Invert a video").click()
    page.get_by_role("link", name="Sign in to use it").click()
    stranger.check(page, "sign-in")


def test_a_video_goes_in_and_a_result_comes_out(person: Visit, fleet: Fleet) -> None:
    give_credits(fleet)
    page = person.open("/effects/caption-video")
    person.check(page, "effect")
    page.locator("input[type=file]").set_input_files(sample_path())
    page.get_by_text("The whole video.").wait_for()
    page.locator("#value-prompt").fill(f"Hello from {person.view.name} <b>&</b>")
    page.get_by_role("button", name="Run for").click()
    _completed(page)
    page.locator("#result video").wait_for()
    page.locator("#input video").wait_for()
    person.check(page, "effect-completed")
    page.reload()
    _completed(page)
    page.get_by_role("link", name="My runs").first.click()
    page.get_by_role("heading", name="My runs").wait_for()
    person.check(page, "runs")


def test_only_the_part_that_was_cut_out_is_uploaded(
    visit_as: Callable[..., Visit], fleet: Fleet, tmp_path: Path
) -> None:
    give_credits(fleet)
    person = visit_as("user", TESTED_VIEWS[0])
    page = person.open("/effects/invert-video")
    page.locator("input[type=file]").set_input_files(write_video(tmp_path / "long.mp4", 8))
    page.get_by_label("From second").fill("2")
    page.get_by_label("To second").fill("4")
    page.get_by_text("2.0 of 8.0 seconds are uploaded.").wait_for()
    page.get_by_role("button", name="Run for").click()
    _completed(page)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").evaluate("link => { link.target = ''; link.click(); }")
    result = tmp_path / "result.mp4"
    saved.value.save_as(result)
    assert 1.5 <= duration_of(result) <= 2.6


def test_an_upload_goes_on_when_the_connection_is_back(visit_as: Callable[..., Visit], fleet: Fleet) -> None:
    give_credits(fleet)
    person = visit_as("user", TESTED_VIEWS[0])
    person.forgiven += ("ERR_INTERNET_DISCONNECTED", "Failed to load resource")
    page = person.open("/effects/invert-video")
    page.locator("input[type=file]").set_input_files(sample_path())
    page.get_by_text("The whole video.").wait_for()
    person.context.set_offline(True)
    page.get_by_role("button", name="Run for").click()
    page.get_by_text("You are offline").wait_for()
    person.context.set_offline(False)
    _completed(page)


def test_a_file_of_another_kind_is_refused_in_words(visit_as: Callable[..., Visit], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("no video")
    page = visit_as("user", TESTED_VIEWS[0]).open("/effects/invert-video")
    page.locator("input[type=file]").set_input_files(tmp_path / "words.txt")
    page.get_by_role("alert").get_by_text("words.txt is not a video").wait_for()


def _completed(page: Page) -> None:
    page.get_by_text("Completed", exact=True).wait_for(timeout=60_000)
