"""What browsers get from npm is pinned, and nobody edited it."""

import json
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "src" / "comfyfleet" / "web" / "static" / "vendor"
PINS = json.loads((ROOT / "requirements" / "browser.json").read_text())


def test_every_vendored_file_is_the_one_that_was_recorded() -> None:
    present = {path.name: sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    assert present == PINS["sha256"], "run `make vendor`"


def test_every_icon_that_a_template_shows_is_in_the_sprite() -> None:
    sprite = (VENDOR / "icons.svg").read_text()
    assert [name for name in PINS["icons"]["names"] if f'<symbol id="{name}"' not in sprite] == []


def test_no_page_loads_anything_from_another_host() -> None:
    templates = (ROOT / "src" / "comfyfleet" / "web" / "templates").rglob("*.html")
    loads = [path.name for path in templates for line in path.read_text().splitlines()
             if any(mark in line for mark in ('src="http', 'href="http', "@import", 'style="'))]  # fmt: skip
    assert loads == []
