"""What an operator asks of a control plane, over HTTP."""

from dataclasses import dataclass
from typing import Any

import httpx
from tests.support.control_plane import ControlPlane


@dataclass
class Operating:
    """The administrative API, with the administrator's key."""

    control_plane: ControlPlane

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Call `/api` + `path`."""
        async with self.control_plane.client() as client:
            return await client.request(method, f"/api{path}", json=body, params=query)

    async def get(self, path: str, **query: Any) -> Any:
        """Return the data of an answer that succeeded."""
        return await self.data("GET", path, **query)

    async def data(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the data of an answer that succeeded."""
        answer = await self.call(method, path, body, **query)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def refusal(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """Return status and code of an answer that refused."""
        answer = await self.call(method, path, body, **query)
        assert not answer.is_success, answer.text
        return answer.status_code, answer.json()["error"]["code"]

    async def acts(self, action: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Return actor, subject and detail of the acts of one kind, oldest first."""
        page = await self.get("/audit", action=action)
        return [(entry["actor"], entry["subject"], entry["detail"]) for entry in reversed(page["items"])]
