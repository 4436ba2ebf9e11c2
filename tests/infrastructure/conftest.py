"""The templates of both stages, written once."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "1")
os.environ.setdefault("JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION", "1")

ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Template:
    """A synthesized template."""

    path: Path
    resources: dict[str, Any]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the properties of all resources of a type."""
        return [one.get("Properties", {}) for one in self.resources.values() if one["Type"] == kind]

    def only(self, kind: str, **properties: Any) -> dict[str, Any]:
        """Return the one resource of a type that has these properties."""
        found = [one for one in self.of_type(kind) if properties.items() <= one.items()]
        assert len(found) == 1, f"{len(found)} of {kind} have {properties}"
        return found[0]


@dataclass(frozen=True)
class Assembly:
    """The templates of a stage, and what the checks found."""

    data: Template
    compute: Template
    gpu: Template
    folder: Path


@pytest.fixture(scope="session", params=["staging", "production"])
def assembly(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Synthesize a stage; a finding of the checks would be an error."""
    from infrastructure.app import build, make_app  # noqa: PLC0415  # starts Node
    from infrastructure.stages import read_stage  # noqa: PLC0415

    folder = tmp_path_factory.mktemp(request.param)
    app = make_app(str(folder))
    build(app, read_stage(request.param, ACCOUNT))
    app.synth()
    data, compute, gpu = (_template(folder, f"bp-{request.param}-{stack}") for stack in ("data", "compute", "gpu"))
    return Assembly(data, compute, gpu, folder)


def _template(folder: Path, stack: str) -> Template:
    path = folder / f"{stack}.template.json"
    return Template(path, json.loads(path.read_text())["Resources"])


@pytest.fixture(scope="session")
def stage(assembly: Assembly) -> str:
    """Return the stage's name."""
    return assembly.data.path.name.split("-")[1]
