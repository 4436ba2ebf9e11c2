"""The runbook's step 3 in a browser: files come into the library."""

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Final

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
    if operator.view.is_phone:  # each click is answered once: the menu opens, and is not closed again
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Bundles").wait_for()
        page.get_by_role("button", name="Menu").click()
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


def test_an_upload_goes_on_after_a_reload(visit_as: Callable[[str], Visit], fleet: Fleet, tmp_path: Path) -> None:
    large = write_sparse(tmp_path / "reloaded.safetensors", 96 * MIB)
    page = visit_as("operator").open("/admin/comfyui/assets")
    Network(page).be(24)
    upload(page, large)
    eventually(lambda: page.locator("#uploads progress").evaluate("bar => bar.value > 0.8"))
    page.once("dialog", lambda dialog: dialog.accept())  # the page asks before it leaves an upload alone
    page.reload()
    sent = _sent_by(page)
    upload(page, large)
    page.locator("#uploads").get_by_text("in the library", exact=True).wait_for(timeout=60_000)
    digest = hashlib.sha256(large.read_bytes()).hexdigest()
    assert fleet.get(f"/api/assets/{digest}")["size"] == large.stat().st_size
    assert 0 < len(sent) < 7, f"the upload began anew: {len(sent)} parts were sent after the reload"


def test_uploads_are_paused_queued_and_survive_a_lost_connection(
    visit_as: Callable[[str], Visit], fleet: Fleet, tmp_path: Path
) -> None:
    files = [write_sparse(tmp_path / f"queued-{number}.safetensors", 40 * MIB + number) for number in range(3)]
    visit = visit_as("operator")
    visit.forgiven += ("net::ERR_INTERNET_DISCONNECTED",)
    page = visit.open("/admin/comfyui/assets")
    (network := Network(page)).be(24)
    upload(page, *files)
    first, _, last = [page.locator("#uploads > div").filter(has_text=file.name) for file in files]
    last.get_by_role("button", name="Pause").click()  # it has not even begun
    last.get_by_text("paused", exact=True).wait_for()
    eventually(lambda: first.locator("progress").evaluate("bar => bar.value > 0.1"))
    first.get_by_role("button", name="Pause").click()
    first.get_by_text("paused", exact=True).wait_for()
    last.get_by_role("button", name="Drop it").click()
    last.get_by_text("dropped", exact=True).wait_for()
    first.get_by_role("button", name="Go on").click()
    first.get_by_text("sending", exact=True).wait_for()
    network.be(offline=True)
    first.get_by_text("You are offline").wait_for()
    network.be()
    page.get_by_text("2 of 3 in the library").wait_for(timeout=60_000)


def test_a_file_that_changes_while_it_is_sent_is_not_taken(
    visit_as: Callable[[str], Visit], fleet: Fleet, tmp_path: Path
) -> None:
    # of more parts than are sent at once: the browser notices a change when it opens the file for one of them
    large = write_sparse(tmp_path / "changing.safetensors", 256 * MIB)
    visit = visit_as("operator")
    visit.forgiven += ("net::ERR_UPLOAD_FILE_CHANGED",)
    page = visit.open("/admin/comfyui/assets")
    Network(page).be(24)
    upload(page, large)
    eventually(lambda: page.locator("#uploads progress").evaluate("bar => bar.value > 0.02"))
    with large.open("r+b") as file:
        file.write(b"other bytes")
    os.utime(large, (1, 1))
    page.locator("#uploads").get_by_text("changed or removed while it was read").wait_for()
    page.get_by_text("0 of 1 in the library, 1 failed").wait_for()


def test_of_a_folder_only_models_are_taken_and_its_name_tells_their_kind(
    visit_as: Callable[[str], Visit], fleet: Fleet, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    (folder / "vae").mkdir(parents=True)
    vae = write_safetensors(folder / "vae" / "of-a-folder.safetensors")
    (folder / "readme.md").write_text("Hello")
    page = visit_as("operator").open("/admin/comfyui/assets?expect=vae/of-a-folder.safetensors&kind=vae")
    page.get_by_text("Missing: vae/of-a-folder.safetensors").wait_for()
    assert page.get_by_label("Kind").first.input_value() == "vae"
    page.get_by_label("Kind").first.select_option("")
    page.locator("#choose-folder").set_input_files(folder)
    page.get_by_text("Left out as neither models nor archives, or empty: models/readme.md.").wait_for()
    page.locator("#expected").get_by_text("is in the library").wait_for()
    stored = fleet.get(f"/api/assets/{hashlib.sha256(vae.read_bytes()).hexdigest()}")
    assert (stored["kind"], stored["filenames"]) == ("vae", ["of-a-folder.safetensors"])


def test_a_browser_that_keeps_handles_offers_to_go_on(visit_as: Callable[[str], Visit], fleet: Fleet) -> None:
    page = visit_as("operator").open("/admin/comfyui/assets")
    page.evaluate(_KEEP_A_HANDLE)
    page.reload()
    page.get_by_text("Unfinished uploads: kept.safetensors").wait_for()
    page.get_by_role("button", name="Go on with them").click()
    page.locator("#uploads").get_by_text("in the library", exact=True).wait_for()
    assert fleet.get("/api/assets/kept.safetensors")["notes"] == "said before"
    page.reload()
    page.get_by_role("heading", name="Drop files or folders here").wait_for()
    assert not page.locator("#go-on").is_visible()


_KEEP_A_HANDLE: Final = """async () => {
    // A file of the browser's own file system has the same kind of handle as one that a person dropped.
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle("kept.safetensors", { create: true });
    const file = await handle.createWritable();
    await file.write("the bytes of a kept file");
    await file.close();
    const { keep } = await import("/static/upload_memory.js");
    await keep(handle, "kept.safetensors", { kind: "lora", notes: "said before" });
}"""


class Network:
    """The network of a page, as slow as a test wants it."""

    def __init__(self, page: Page) -> None:
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.send("Network.enable")

    def be(self, megabytes_per_second: int | None = None, *, offline: bool = False) -> None:
        speed = megabytes_per_second * MIB if megabytes_per_second else -1
        conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": speed}
        self._devtools.send("Network.emulateNetworkConditions", conditions)


def write_sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        file.write(path.name.encode())
    return path


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
