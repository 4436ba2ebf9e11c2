"""The commands of bundles against a real control plane."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from tests.support.bundle_library import BundleLibrary, graph_of
from tests.support.control_plane import ControlPlane
from typer.testing import CliRunner, Result

from comfyfleet.cli.main import app


@pytest.fixture
def library(control_plane: ControlPlane) -> BundleLibrary:
    return BundleLibrary(control_plane)


async def comfyfleet(control_plane: ControlPlane, *args: str) -> Result:
    """Run a command in a thread, as the control plane answers in this one."""
    words = ["--url", control_plane.url, "--api-key", control_plane.admin_key, *args]
    return await asyncio.to_thread(CliRunner().invoke, app, words, prog_name="comfyfleet")


async def test_a_workflow_is_analyzed_bundled_and_activated(
    library: BundleLibrary, control_plane: ControlPlane, tmp_path: Path
) -> None:
    await library.asset("ink.safetensors")
    await library.workflow("flow", "style/ink.safetensors", "gone.safetensors")
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(graph_of("style/ink.safetensors", "gone.safetensors")))
    analyzed = await comfyfleet(control_plane, "workflows", "analyze", str(file), "--check")
    assert (analyzed.exit_code, "gone.safetensors" in analyzed.stdout) == (1, True)
    refused = await comfyfleet(control_plane, "bundles", "create", "a b", "--for-workflow", str(file))
    assert (refused.exit_code, "loras/gone.safetensors: missing" in refused.stderr) == (3, True)
    created = await comfyfleet(
        control_plane, "bundles", "create", "a b", "--for-workflow", "flow", "--accept-missing", "--json"
    )
    assert [entry["target_path"] for entry in json.loads(created.stdout)["entries"]] == [
        "models/loras/style/ink.safetensors"
    ]
    assert (await comfyfleet(control_plane, "bundles", "show", "a b@1")).exit_code == 0
    activated = await comfyfleet(control_plane, "fleets", "activate", "gpu-default", "a b", "--yes")
    assert activated.exit_code == 0, activated.output
    assert "loras/gone.safetensors: missing" in activated.stderr
    assert "a b@1" in (await comfyfleet(control_plane, "fleets", "history", "gpu-default")).stdout
    in_use = await comfyfleet(control_plane, "bundles", "delete", "a b", "--yes")
    assert (in_use.exit_code, "local/gpu-default" in in_use.stderr) == (3, True)


async def test_a_manifest_comes_as_it_lies_in_the_store(
    library: BundleLibrary, control_plane: ControlPlane, tmp_path: Path
) -> None:
    bundle = await library.create("größe", (await library.asset("ink.safetensors")).id, notes="für alle")
    target = tmp_path / "manifest.json"
    result = await comfyfleet(control_plane, "bundles", "manifest", "größe", "-o", str(target))
    assert result.exit_code == 0, result.output
    assert hashlib.sha256(target.read_bytes()).hexdigest() == bundle["manifest_sha256"]
