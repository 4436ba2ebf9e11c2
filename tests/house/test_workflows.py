"""Workflows have the inputs that the runbook names, hold no code of their own, and trust no action that can change."""

import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from comfyfleet.cli.main import app

ROOT: Final = Path(__file__).parents[2]
WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RUNBOOK_INPUTS: Final = {
    "apply-comfyui-bundle": {"instance_id", "fleet_slug", "bundle_prefix", "models_bucket"},
    "build-ami": {"fleet_slug", "stage", "models_s3_bucket", "models_s3_prefix", "bundle_id"},
}
PROGRAM: Final = ".venv/bin/comfyfleet"


def parsed(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict)
    return found


def steps_of(path: Path) -> list[dict[str, Any]]:
    return [step for job in parsed(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize(("name", "wanted"), RUNBOOK_INPUTS.items())
def test_the_inputs_are_those_of_the_runbook(name: str, wanted: set[str]) -> None:
    # YAML 1.1 reads the key `on` as true.
    inputs = parsed(ROOT / ".github" / "workflows" / f"{name}.yml")[True]["workflow_dispatch"]["inputs"]
    assert {key for key, one in inputs.items() if one.get("required")} == wanted


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_a_commit(path: Path) -> None:
    used = [step["uses"] for step in steps_of(path) if "uses" in step]
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_was_typed_reaches_a_shell_as_variables_only(path: Path) -> None:
    assert [step["run"] for step in steps_of(path) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_tokens_may_read_only_and_are_not_kept(path: Path) -> None:
    permissions = parsed(path)["permissions"]
    assert permissions.pop("id-token", "write") == "write"
    assert permissions == {"contents": "read"}
    for step in steps_of(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", RUNBOOK_INPUTS)
def test_a_workflow_calls_a_command_with_options_that_it_has(name: str) -> None:
    runs = [step["run"] for step in steps_of(ROOT / ".github" / "workflows" / f"{name}.yml") if "run" in step]
    calls = [run for run in runs if PROGRAM in run]
    assert len(calls) == 1
    assert all(run.startswith("make ") for run in runs if run not in calls)
    words = shlex.split(calls[0].partition(PROGRAM)[2])
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_every_check_of_the_ci_is_made_by_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    matrix = parsed(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["check"]["strategy"]["matrix"]
    assert set(matrix["what"]) <= targets
