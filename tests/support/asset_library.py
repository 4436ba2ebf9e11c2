"""Brings files into the library of a control plane over HTTP, as a client does it."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import httpx
from tests.support.control_plane import ControlPlane

from comfyfleet.core.assets import HEAD_BYTES

MIB: Final = 2**20
_DEADLINE_SECONDS: Final = 60.0


def digest_of(content: bytes) -> str:
    """Return a SHA-256."""
    return sha256(content).hexdigest()


@dataclass
class AssetLibrary:
    """Calls a control plane's API as its administrator."""

    control_plane: ControlPlane

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Call the API; `path` is below `/api/assets`."""
        async with self.control_plane.client() as client:
            return await client.request(method, f"/api/assets{path}", json=body, params=query)

    async def data(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Call the API and return the data of an answer that succeeded."""
        answer = await self.call(method, path, body, **query)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str, str]:
        """Call the API and return status, code and message of a refusal."""
        answer = await self.call(method, path, body, **query)
        assert not answer.is_success, answer.text
        return answer.status_code, answer.json()["error"]["code"], answer.json()["message"]

    async def begin(self, content: bytes, filename: str = "a.safetensors", **words: Any) -> dict[str, Any]:
        """Begin an upload."""
        new = {"filename": filename, "size": len(content), "head_sha256": digest_of(content[:HEAD_BYTES]), **words}
        upload: dict[str, Any] = await self.data("POST", "/uploads", new)
        return upload

    async def send(self, upload: dict[str, Any], content: bytes, numbers: Iterable[int] | None = None) -> None:
        """Send parts, by default all, to their signed addresses."""
        wanted = list(numbers or range(1, upload["part_count"] + 1))
        signed = await self.data("POST", f"/uploads/{upload['upload_id']}/parts", {"numbers": wanted})
        assert [part["number"] for part in signed] == wanted
        async with httpx.AsyncClient(timeout=60) as store:
            for part in signed:
                start = (part["number"] - 1) * upload["part_size"]
                piece = content[start : start + part["size"]]
                answer = await store.put(part["url"], content=piece, headers=part["headers"])
                assert answer.is_success, answer.text

    async def complete(self, upload: dict[str, Any], sha256_: str) -> dict[str, Any]:
        """Say that all parts were sent."""
        view: dict[str, Any] = await self.data("POST", f"/uploads/{upload['upload_id']}/complete", {"sha256": sha256_})
        return view

    async def show(self, upload: dict[str, Any]) -> dict[str, Any]:
        """Show how far an upload is."""
        view: dict[str, Any] = await self.data("GET", f"/uploads/{upload['upload_id']}")
        return view

    async def until_over(self, upload: dict[str, Any]) -> dict[str, Any]:
        """Poll until an upload is stored or refused."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while time.monotonic() < deadline:
            view = await self.show(upload)
            if view["state"] in {"stored", "refused"}:
                return view
            await asyncio.sleep(0.02)
        raise AssertionError(f"the upload is still {view}")

    async def add(self, content: bytes, filename: str = "a.safetensors", **words: Any) -> dict[str, Any]:
        """Bring bytes into the library and return the asset."""
        upload = await self.begin(content, filename, **words)
        if upload["state"] == "receiving":
            await self.send(upload, content)
            await self.complete(upload, digest_of(content))
            upload = await self.until_over(upload)
        assert upload["state"] == "stored", upload["problem"]
        asset: dict[str, Any] = upload["asset"]
        return asset

    async def audit(self, **query: Any) -> list[dict[str, Any]]:
        """Return the audit's entries on assets, oldest first."""
        async with self.control_plane.client() as client:
            entries = (await client.get("/api/audit", params={"limit": 200, **query})).json()["data"]["items"]
        return [entry for entry in reversed(entries) if entry["action"].startswith("asset.")]

    def keys(self) -> list[str]:
        """Return the keys of all bytes in the models bucket, verified or not."""
        index = self.control_plane.wiring.model_index
        return [found.key for prefix in ("assets/", "incoming/") for found in index.objects(prefix)]
