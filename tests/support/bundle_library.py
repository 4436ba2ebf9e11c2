"""A library and workflows for tests of bundles, and calls as an administrator."""

import hashlib
from dataclasses import dataclass
from typing import Any

import httpx
from tests.support.control_plane import ControlPlane

from comfyfleet import names
from comfyfleet.core.assets import AssetKind
from comfyfleet.server.models import Asset, AssetName

FLEET_PATH = "/api/fleets/local/gpu-default"


@dataclass
class BundleLibrary:
    """Fills the library of a control plane, and calls its API."""

    control_plane: ControlPlane

    async def asset(
        self, *filenames: str, kind: AssetKind = AssetKind.LORA, size: int = 1000, is_quarantined: bool = False
    ) -> Asset:
        """Record an asset whose bytes nobody reads; its digest follows from its names."""
        digest = hashlib.sha256(" ".join(filenames).encode()).hexdigest()
        async with self.control_plane.wiring.sessions.begin() as session:
            asset = Asset(
                kind=kind.value,
                sha256=digest,
                size=size,
                object_key=names.asset_key(kind, digest),
                is_quarantined=is_quarantined,
                head_sha256=digest,
                notes="",
                license="",
                inspection={},
                created_by="a test",
                names=[AssetName(filename=filename) for filename in filenames],
            )
            session.add(asset)
        return asset

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        """Call the API as the administrator."""
        async with self.control_plane.client() as client:
            return await client.request(method, path, json=body, params=query)

    async def data(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Call the API as the administrator and return the data of an answer that succeeded."""
        answer = await self.call(method, path, body, **query)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def refused(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str, str]:
        """Call the API as the administrator and return status, code and message of a refusal."""
        answer = await self.call(method, path, body, **query)
        assert not answer.is_success, answer.text
        return answer.status_code, answer.json()["error"]["code"], answer.json()["message"]

    async def create(self, name: str | None, *assets: object, **parts: Any) -> dict[str, Any]:
        """Create a bundle of assets (references, or whole entries)."""
        entries = [asset if isinstance(asset, dict) else {"asset": str(asset)} for asset in assets]
        data: dict[str, Any] = await self.data("POST", "/api/bundles", {"name": name, "entries": entries, **parts})
        return data

    async def workflow(self, slug: str, *loras: str, checkpoint: str | None = None) -> None:
        """Import a workflow that loads these LoRAs, and let the fleet serve it alone."""
        await self.data("POST", "/api/workflows", new_workflow(slug, *loras, checkpoint=checkpoint))
        await self.data("PUT", f"{FLEET_PATH}/workflows", {"workflows": [slug]})

    async def audit(self) -> list[tuple[str, str]]:
        """Return action and subject of what was written down, oldest first."""
        entries = await self.data("GET", "/api/audit", limit="200")
        return [(entry["action"], entry["subject"]) for entry in reversed(entries["items"])]


def new_workflow(slug: str, *loras: str, checkpoint: str | None = None) -> dict[str, Any]:
    """Return a workflow to import that names model files."""
    return {"name": slug, "slug": slug, "graph": graph_of(*loras, checkpoint=checkpoint), "output_node_id": "9"}


def graph_of(*loras: str, checkpoint: str | None = None) -> dict[str, Any]:
    """Return a graph in API format that loads model files."""
    graph: dict[str, Any] = {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
    for number, lora in enumerate(loras):
        graph[f"l{number}"] = {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": lora}}
    if checkpoint is not None:
        graph["c"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}}
    return graph
