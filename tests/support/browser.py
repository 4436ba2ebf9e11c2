"""A real Chromium that looks at our pages, and what every page has to hold."""

import contextlib
import importlib.resources
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

SCREENSHOTS: Final = os.environ.get("SCREENSHOTS_FOLDER")
"""Where `make screenshots` wants pictures of all pages; unset in tests."""

REFUSED: Final = "the server responded with a status of 4"
"""Browsers write each refusal to the console, also those that a page tells its person."""

_AXE: Final = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class View:
    """A screen and a taste."""

    name: str
    size: ViewportSize
    scheme: Any

    @property
    def is_phone(self) -> bool:
        """Whether this is the small screen."""
        return self.size["width"] < 500


DESKTOP: Final = ViewportSize(width=1280, height=860)
PHONE: Final = ViewportSize(width=375, height=740)
VIEWS: Final = (
    View("desktop-light", DESKTOP, "light"),
    View("phone-dark", PHONE, "dark"),
    View("desktop-dark", DESKTOP, "dark"),
    View("phone-light", PHONE, "light"),
)
TESTED_VIEWS: Final = VIEWS if SCREENSHOTS else VIEWS[:2]
"""Tests look at each page in two views; both sizes and both schemes are among them."""


def find_chromium() -> str | None:
    """Return the system's Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """Run a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A person at a screen: pages of one context, and the complaints of their consoles."""

    context: BrowserContext
    url: str
    view: View
    complaints: list[str] = field(default_factory=list)
    forgiven: tuple[str, ...] = (REFUSED,)

    def open(self, path: str) -> Page:
        """Open a page in a tab of its own."""
        page = self.context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self._hear("error", str(error)))
        page.goto(self.url + path)
        return page

    def check(self, page: Page, name: str) -> None:
        """Check what every page has to hold, and take its picture when pictures are wanted."""
        assert page.locator("main").count() == 1, "a page has one main part"
        assert page.title().endswith("comfyfleet"), page.title()
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{name}: the page is {overflow} pixels wider than the {self.view.name} screen"
        found = violations(page)
        assert found == [], f"{name} on {self.view.name}:\n" + "\n".join(found)
        if SCREENSHOTS:
            folder = Path(SCREENSHOTS)
            folder.mkdir(parents=True, exist_ok=True)
            page.set_viewport_size({"width": self.view.size["width"], "height": _height_of(page)})
            _keep(page.screenshot(animations="disabled"), folder / f"{name}-{self.view.name}.png")
            page.set_viewport_size(self.view.size)

    def _hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(words in text for words in self.forgiven):
            self.complaints.append(f"{kind}: {text}")


def _height_of(page: Page) -> int:
    """Return the height of a whole page, so that what reaches down the screen reaches down the picture."""
    height: int = page.evaluate("document.documentElement.scrollHeight")
    return height


def _keep(picture: bytes, path: Path) -> None:
    """Write a picture with 256 colours, a third of its size: a page has few."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong, a line for each rule."""
    page.evaluate(_AXE)  # the inspector may run scripts that the page's own policy forbids
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", _RULES
    )
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0].get('failureSummary', '')[:300]}"
        for one in found["violations"]
    ]
