"""Which ComfyUI is used, in which order."""

from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfleet import names
from comfyfleet.up.comfyui_choice import ComfyUINotAnswering, choose
from comfyfleet.up.comfyui_install import RELEASE


def only(*urls: str) -> Callable[[str], bool]:
    return lambda url: url in urls


def install(data: Path) -> Path:
    environment = data / "comfyui" / f"venv-{RELEASE}"
    environment.mkdir(parents=True)
    (environment / "installed").touch()
    return environment / "bin" / "python"


def test_the_one_that_was_named_comes_first(tmp_path: Path) -> None:
    chosen = choose("http://gpu:8188/", tmp_path, only("http://gpu:8188", names.COMFYUI_DEFAULT_URL))
    assert (chosen.url, chosen.start_command) == ("http://gpu:8188", ())


def test_one_that_was_named_and_is_silent_is_an_error_and_no_other_is_used(tmp_path: Path) -> None:
    with pytest.raises(ComfyUINotAnswering, match="http://gpu:8188"):
        choose("http://gpu:8188", tmp_path, only(names.COMFYUI_DEFAULT_URL))


def test_one_on_the_usual_port_comes_next(tmp_path: Path) -> None:
    install(tmp_path)
    assert choose(None, tmp_path, only(names.COMFYUI_DEFAULT_URL)).url == names.COMFYUI_DEFAULT_URL


def test_an_installed_one_is_started(tmp_path: Path) -> None:
    python = install(tmp_path)
    chosen = choose(None, tmp_path, only())
    assert chosen.start_command[0] == str(python)
    assert chosen.url.endswith(chosen.start_command[chosen.start_command.index("--port") + 1])


def test_the_stand_in_comes_last_and_says_so(tmp_path: Path) -> None:
    chosen = choose(None, tmp_path, only())
    assert "comfyfleet.standin" in chosen.start_command
    assert "stand-in" in chosen.words
