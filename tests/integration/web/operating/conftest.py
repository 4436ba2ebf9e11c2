"""A control plane whose pages carry out verbs in a cloud in memory, where scripts really run."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.clouds.commands import say
from tests.support.clouds.fleet import FLEET, STAGE, MemoryCloud
from tests.support.control_plane import ControlPlane, running_control_plane

PATH = f"/admin/comfyui/fleets/{STAGE}/{FLEET}"
_HIDDEN = re.compile(r'<input type="hidden" (?:id="\w+" )?name="(\w+)" value="([^"]*)">')


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryCloud]:
    """Yield a cloud whose machines have what a dev node's scripts call."""
    memory = MemoryCloud(tmp_path / "cloud")
    memory.commands.programs = {"curl": say(), "sleep": say(), "journalctl": say("no GPU")}
    yield memory
    memory.commands.end_all()


@pytest.fixture
async def control_plane(database_url: str, tmp_path: Path, memory: MemoryCloud) -> AsyncIterator[ControlPlane]:
    """Run a control plane with a fleet of that cloud."""
    async with running_control_plane(database_url, tmp_path, lambda _: memory.cloud) as running:
        async with running.client() as operator:
            body = {"stage": STAGE, "slug": FLEET, "name": "Fleet"}
            (await operator.post("/api/fleets", json=body)).raise_for_status()
        yield running


@dataclass
class Clicks:
    """An operator at the fleet's page."""

    browser: httpx.AsyncClient

    async def text(self, path: str, status: int = 200) -> str:
        """Return a page."""
        answer = await self.browser.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    async def plan(self, verb: str, status: int = 200, **wishes: Any) -> tuple[str, dict[str, str]]:
        """Look at a verb's plan; return the page and what its form would send."""
        answer = await self.browser.get(f"{PATH}/verbs/{verb}", params=wishes)
        assert answer.status_code == status, answer.text
        return answer.text, dict(_HIDDEN.findall(answer.text))

    async def agree(self, verb: str, form: dict[str, str], status: int = 303) -> str:
        """Send a form; return the address that it leads to, or what it is answered with."""
        answer = await self.browser.post(f"{PATH}/verbs/{verb}", data=form)
        assert answer.status_code == status, answer.text
        return answer.headers["location"] if status == 303 else answer.text

    async def does(self, verb: str, **wishes: Any) -> str:
        """Plan, agree and wait; return the operation's page."""
        _, form = await self.plan(verb, **wishes)
        return await self.ended(await self.agree(verb, form))

    async def ended(self, page: str) -> str:
        """Wait for the end of an operation; return its page."""
        return await self.until(page, lambda text: "status-dot" in text and "></span>running" not in text)

    async def until(self, page: str, is_so: Any) -> str:
        """Load a page until it is so."""
        async with asyncio.timeout(60):
            while True:
                text = await self.text(page)
                if is_so(text):
                    return text
                await asyncio.sleep(0.05)


@pytest.fixture
def clicks(signed_in: httpx.AsyncClient) -> Clicks:
    """Return an operator who is signed in."""
    return Clicks(signed_in)
