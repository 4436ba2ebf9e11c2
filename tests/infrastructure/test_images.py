"""The control plane's image: built of the checkout, or one that is in a registry already."""

import json
from pathlib import Path
from typing import Any

import pytest
from infrastructure.app import build, make_app
from infrastructure.stages import StageInvalid, read_stage
from tests.infrastructure.conftest import ACCOUNT

DIGEST = "sha256:" + "a" * 64
OWN = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/comfyfleet/control-plane"


def resources(folder: Path, image: str) -> dict[str, Any]:
    """Return what the compute stack has with an image of a registry."""
    app = make_app(str(folder))
    build(app, read_stage("staging", ACCOUNT, image=image))
    app.synth()
    assets = json.loads((folder / "bp-staging-compute.assets.json").read_text())
    assert not assets.get("dockerImages"), "nothing is built"
    template: dict[str, Any] = json.loads((folder / "bp-staging-compute.template.json").read_text())["Resources"]
    return template


def images(template: dict[str, Any]) -> set[str]:
    """Return the images of all containers, as texts to look into."""
    tasks = [one["Properties"] for one in template.values() if one["Type"] == "AWS::ECS::TaskDefinition"]
    return {str(container["Image"]) for task in tasks for container in task["ContainerDefinitions"]}


def test_an_image_that_anybody_may_pull_is_taken_as_it_is_named(tmp_path: Path) -> None:
    name = f"registry.example/comfyfleet@{DIGEST}"
    assert images(resources(tmp_path, name)) == {name}


def test_an_image_of_ecr_may_be_pulled_by_the_tasks(tmp_path: Path) -> None:
    template = resources(tmp_path, f"{OWN}:1.4")
    [image] = images(template)
    assert "comfyfleet/control-plane:1.4" in image
    arn = f"arn:aws:ecr:eu-central-1:{ACCOUNT}:repository/comfyfleet/control-plane"
    policies = [json.dumps(one["Properties"]) for one in template.values() if one["Type"] == "AWS::IAM::Policy"]
    assert len([one for one in policies if "ecr:BatchGetImage" in one and arn in one]) == 2


@pytest.mark.parametrize("name", ["comfyfleet", f"{OWN}", "Registry.example/comfyfleet:1", "comfyfleet@sha256:12"])
def test_an_image_without_a_version_is_refused(name: str) -> None:
    with pytest.raises(StageInvalid, match="IMAGE"):
        read_stage("staging", ACCOUNT, image=name)
