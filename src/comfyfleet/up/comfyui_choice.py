"""Which ComfyUI the local fleet uses."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from comfyfleet import names
from comfyfleet.cloud.local.network import free_port
from comfyfleet.core.errors import Unavailable
from comfyfleet.up.comfyui_install import find_installed, start_command
from comfyfleet.up.hardware import find_hardware


class ComfyUINotAnswering(Unavailable):
    """The ComfyUI that was named does not answer."""

    code = "comfyui_not_answering"


@dataclass(frozen=True)
class ChosenComfyUI:
    """A ComfyUI: where it answers, how to start it (empty when somebody else runs it), and in words."""

    url: str
    start_command: tuple[str, ...]
    words: str


def choose(named_url: str | None, data: Path, answers: Callable[[str], bool] | None = None) -> ChosenComfyUI:
    """Choose, in this order: the one named, one on port 8188, the one installed in the data folder, the stand-in.

    Raises:
        ComfyUINotAnswering: One was named and does not answer; another is never used in its place.
    """
    is_there = answers or _answers
    if named_url is not None:
        url = named_url.rstrip("/")
        if not is_there(url):
            raise ComfyUINotAnswering(f"No ComfyUI answers at {url}.", hint="Start it, or correct COMFYUI_URL.")
        return ChosenComfyUI(url, (), f"ComfyUI at {url}, as you named it")
    if is_there(names.COMFYUI_DEFAULT_URL):
        return ChosenComfyUI(names.COMFYUI_DEFAULT_URL, (), f"ComfyUI found at {names.COMFYUI_DEFAULT_URL}")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    folder = data / "comfyui" / "work"
    folder.mkdir(parents=True, exist_ok=True)
    installed = find_installed(data)
    if installed is not None:
        return ChosenComfyUI(
            url, start_command(installed, port, folder, find_hardware()), f"installed ComfyUI at {url}"
        )
    return ChosenComfyUI(url, _standin_command(port, folder), f"the stand-in (not ComfyUI itself) at {url}")


def _standin_command(port: int, folder: Path) -> tuple[str, ...]:
    module = (sys.executable, "-m", "comfyfleet.standin")
    return (*module, "--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(folder))


def _answers(url: str) -> bool:
    try:
        response = httpx.get(f"{url}/system_stats", timeout=3)
        return response.status_code == 200 and "system" in response.json()
    except (httpx.HTTPError, ValueError):
        return False
