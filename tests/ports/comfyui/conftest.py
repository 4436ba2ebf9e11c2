"""The servers that the one suite runs on."""

from collections.abc import Iterator

import numpy as np
import pytest
from tests.realcomfyui.server import NOT_INSTALLED, any_real_comfyui
from tests.support.comfyui_target import Target, png
from tests.support.standin import standin

from comfyfleet.up.seed import sample_path


@pytest.fixture(scope="session", params=["stand-in", "real"])
def comfyui(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Return each server in turn. CI sets REQUIRE_REAL_COMFYUI, and fails where there is no real one."""
    folder = tmp_path_factory.mktemp(request.param)
    running = standin if request.param == "stand-in" else any_real_comfyui
    with running(folder) as url:
        target = Target.at(url, request.param)
        _put_inputs(target)
        request.config.stash.setdefault(SUMMARY, []).append(_described(target))
        yield target
        target.http.close()


@pytest.fixture(autouse=True)
def _calm(comfyui: Target) -> Iterator[None]:
    """Leave nothing running behind a test that failed."""
    yield
    comfyui.calm_down()


SUMMARY = pytest.StashKey[list[str]]()


def _described(target: Target) -> str:
    """Return the server, what it lacks and how the workflows were changed for it."""
    lacking = {"TextOverlay", "SaveText"} - target.node_classes
    lacks = f", lacks {', '.join(sorted(lacking))}" if lacking else ""
    changed = ", takes SaveVideo's codec for format.codec and links nothing to SaveImage" if target.is_old else ""
    return f"{target.name}: ComfyUI {target.version}{lacks}{changed}"


def _put_inputs(target: Target) -> None:
    gradient = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
    picture = np.stack([gradient, gradient[::-1], np.full_like(gradient, 40)], axis=-1)
    target.upload("test.png", png(picture), overwrite="true")
    target.upload("broken.png", b"this is no picture", overwrite="true")
    target.upload("clip.mp4", sample_path().read_bytes(), subfolder="job-123", overwrite="true")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say on which servers the suite ran, and what they lack."""
    lines: list[str] = config.stash.setdefault(SUMMARY, [])
    for line in lines:
        terminalreporter.write_line(f"conformance on {line}")
    if "real" not in " ".join(lines):
        terminalreporter.write_line(f"conformance on a real ComfyUI not run: {NOT_INSTALLED}")
