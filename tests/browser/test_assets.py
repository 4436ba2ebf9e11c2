"""The runbook's step 3 in a browser: files come into the library."""

import hashlib
import os
import pickle
from pathlib import Path

from playwright.sync_api import Page
from tests.support.browser import Visit
from tests.support.fleet import Fleet, eventually
from tests.support.library_files import write_safetensors

MIB = 2**20


def upload(page: Page, *files: Path) -> None:
    page.locator("#choose-files").set_input_files(files)


def test_files_are_uploaded_and_known_ones_are_recognised(operator: Visit, fleet: Fleet, tmp_path: Path) -> None:
    view = operator.view.name
    wash = write_safetensors(tmp_path / f"wash-{view}.safetensors", size=3 * MIB, modelspec_title="A wash")
    page = operator.open("/admin/comfyui/assets")
    operator.check(page, "assets-before")
    page.get_by_label("Notes").first.fill("for portraits")
    page.get_by_label("Kind").first.select_option("lora")
    upload(page, wash)
    page.locator("#uploads").get_by_text("in the library", exact=True).wait_for()
    digest = hashlib.sha256(wash.read_bytes()).hexdigest()
    stored = fleet.get(f"/api/assets/{digest}")
    assert (stored["size"], stored["kind"], stored["notes"]) == (wash.stat().st_size, "lora", "for portraits")

    copy = tmp_path / f"copy-of-wash-{view}.safetensors"
    copy.write_bytes(wash.read_bytes())
    upload(page, copy)
    page.locator("#uploads").get_by_text("already in the library", exact=True).wait_for()
    operator.check(page, "assets")

    page.get_by_label("Search assets").fill(f"copy-of-wash-{view}")
    page.locator("#results").get_by_role("link", name=copy.name).click()
    page.get_by_role("heading", name=copy.name).wait_for()
    operator.check(page, "asset")
    page.get_by_label("Licence").fill("MIT")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The asset was saved.").wait_for()
    assert fleet.get(f"/api/assets/{digest}")["license"] == "MIT"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("was deleted.").wait_for()
    assert fleet.http.get(f"/api/assets/{digest}").status_code == 404


class Danger:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_a_dangerous_pickle_is_locked_away_until_an_operator_releases_it(
    operator: Visit, fleet: Fleet, tmp_path: Path
) -> None:
    bad = tmp_path / f"bad-{operator.view.name}.ckpt"
    bad.write_bytes(pickle.dumps([Danger(), operator.view.name]))
    page = operator.open("/admin/comfyui/assets")
    upload(page, bad)
    page.locator("#uploads").get_by_text("in quarantine", exact=True).wait_for()
    page.locator("#uploads").get_by_role("link", name=bad.name).click()
    operator.check(page, "asset-quarantined")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Release it").click()
    page.get_by_text("The asset may be used now.").wait_for()


def test_an_upload_goes_on_after_a_reload(operator: Visit, fleet: Fleet, tmp_path: Path) -> None:
    large = tmp_path / f"large-{operator.view.name}.safetensors"
    with large.open("wb") as file:
        file.truncate(96 * MIB)
        file.write(operator.view.name.encode())
    page = operator.open("/admin/comfyui/assets")
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 24 * MIB}
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", slow)
    upload(page, large)
    eventually(lambda: page.locator("#uploads progress").evaluate("bar => bar.value > 0.75"))
    page.once("dialog", lambda dialog: dialog.accept())  # the page asks before it leaves an upload alone
    page.reload()
    sent = _sent_by(page)
    upload(page, large)
    page.locator("#uploads").get_by_text("in the library", exact=True).wait_for(timeout=60_000)
    digest = hashlib.sha256(large.read_bytes()).hexdigest()
    assert fleet.get(f"/api/assets/{digest}")["size"] == large.stat().st_size
    assert 0 < len(sent) < 4, f"the upload began anew: {len(sent)} parts were sent after the reload"


def _sent_by(page: Page) -> list[str]:
    sent: list[str] = []
    page.on("requestfinished", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    return sent


def test_a_file_is_imported_from_a_url(operator: Visit, fleet: Fleet) -> None:
    page = operator.open("/admin/comfyui/assets")
    page.get_by_text("Import from a URL").click()
    page.get_by_label("URL", exact=True).fill("http://127.0.0.1:9/model.safetensors")
    page.get_by_role("button", name="Import it").click()
    page.get_by_role("alert").filter(has_text="127.0.0.1").wait_for()
    assert page.get_by_label("URL", exact=True).input_value().startswith("http://127.0.0.1:9")
