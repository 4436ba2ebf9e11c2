"""An operator who calls a control plane's API."""

from dataclasses import dataclass
from typing import Any

import httpx
from tests.support.control_plane import ControlPlane


@dataclass
class OperatorAccess:
    """Calls the API with the administrator's key, or with another one."""

    control_plane: ControlPlane
    key: str | None = None

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Call the API; `path` is below `/api`."""
        async with self.control_plane.client(self.key) as client:
            return await client.request(method, f"/api{path}", json=body, params=query or None)

    async def get(self, path: str, **query: Any) -> Any:
        """Return the data of an answer that succeeded."""
        return await self.data("GET", path, **query)

    async def post(self, path: str, body: Any = None) -> Any:
        """Post, and return the data of an answer that succeeded."""
        return await self.data("POST", path, body)

    async def data(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the data of an answer that succeeded."""
        answer = await self.call(method, path, body, **query)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """Return status and code of a refusal."""
        answer = await self.call(method, path, body, **query)
        assert not answer.is_success, answer.text
        return answer.status_code, answer.json()["error"]["code"]

    async def acts(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        """Return what was done to something, oldest first, as (action, detail)."""
        items = (await self.get("/audit", subject=subject))["items"]
        return [(item["action"], item["detail"]) for item in reversed(items)]

    async def noted(self, action: str) -> list[tuple[str, dict[str, Any]]]:
        """Return what was done by acts that begin so, oldest first, as (subject, detail)."""
        items = (await self.get("/audit", action=action))["items"]
        return [(item["subject"], item["detail"]) for item in reversed(items)]
