"""ComfyUI is installed in steps that can be interrupted."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from comfyfleet.up.comfyui_install import (
    InstallFailed,
    InstallPlan,
    TorchIndexNeeded,
    apply_install,
    find_installed,
    plan_install,
    start_command,
)
from comfyfleet.up.hardware import Hardware


def repository(folder: Path) -> Path:
    """Make a repository with a program that looks like ComfyUI and needs nothing."""
    folder.mkdir()
    (folder / "main.py").write_text("print('started')")
    (folder / "requirements.txt").write_text("")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"], ["tag", "v1"]):
        subprocess.run([*git, *arguments], check=True)
    return folder


def without_torch(plan: InstallPlan) -> InstallPlan:
    """Return a plan that needs no network."""
    return replace(plan, steps=tuple(step for step in plan.steps if "torch" not in step.words))


def torch_command(plan: InstallPlan) -> str:
    [torch] = [step for step in plan.steps if "torch" in step.words]
    return " ".join(torch.command)


@pytest.mark.parametrize("hardware", [Hardware.NVIDIA, Hardware.APPLE, Hardware.CPU])
def test_torch_comes_from_the_usual_index(tmp_path: Path, hardware: Hardware) -> None:
    assert "--index-url" not in torch_command(plan_install(tmp_path, hardware))


def test_torch_for_amd_needs_an_index(tmp_path: Path) -> None:
    with pytest.raises(TorchIndexNeeded, match="AMD") as refused:
        plan_install(tmp_path, Hardware.AMD)
    assert "--torch-index" in refused.value.hint
    plan = plan_install(tmp_path, Hardware.AMD, torch_index="https://index.example/rocm")
    assert "--index-url https://index.example/rocm" in torch_command(plan)


def test_only_a_machine_without_a_gpu_renders_on_the_cpu(tmp_path: Path) -> None:
    target = plan_install(tmp_path, Hardware.CPU).target
    assert "--cpu" in start_command(target, 1, tmp_path, Hardware.CPU)
    assert "--cpu" not in start_command(target, 1, tmp_path, Hardware.NVIDIA)


def test_an_installation_is_found_once_it_is_whole(tmp_path: Path) -> None:
    plan = plan_install(tmp_path / "data", Hardware.CPU, source=str(repository(tmp_path / "source")), release="v1")
    plan = without_torch(plan)
    assert find_installed(tmp_path / "data", "v1") is None
    said: list[str] = []
    apply_install(plan, said.append)
    installed = find_installed(tmp_path / "data", "v1")
    assert installed is not None
    assert subprocess.check_output([installed.python, installed.main], text=True) == "started\n"
    apply_install(plan, said.append)
    assert said[-3].endswith("done before")


def test_an_environment_that_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    source = repository(tmp_path / "source")
    plan = without_torch(plan_install(tmp_path / "data", Hardware.CPU, source=str(source), release="v1"))
    python = plan.target.python
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(python.parents[1])], check=True)
    assert python.exists()
    apply_install(plan, lambda _: None)
    assert find_installed(tmp_path / "data", "v1") == plan.target


def test_a_clone_that_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    source = repository(tmp_path / "source")
    plan = without_torch(plan_install(tmp_path / "data", Hardware.CPU, source=str(source), release="v1"))
    half = plan.target.folder.with_name("v1.new")
    half.mkdir(parents=True)
    (half / "part").touch()
    apply_install(plan, lambda _: None)
    assert plan.target.main.exists()
    assert not (plan.target.folder / "part").exists()
    assert not half.exists()


def test_a_step_that_fails_leaves_nothing_to_be_found(tmp_path: Path) -> None:
    source = repository(tmp_path / "source")
    plan = without_torch(plan_install(tmp_path / "data", Hardware.CPU, source=str(source), release="v1"))
    [clone, environment, requirements] = plan.steps
    failing = replace(requirements, command=("false",))
    with pytest.raises(InstallFailed, match="Install what ComfyUI needs") as failed:
        apply_install(replace(plan, steps=(clone, environment, failing)), lambda _: None)
    assert "run this again" in failed.value.hint
    assert find_installed(tmp_path / "data", "v1") is None
    said: list[str] = []
    apply_install(plan, said.append)
    assert [line.endswith("done before") for line in said] == [True, True, False]
    assert find_installed(tmp_path / "data", "v1") == plan.target


def test_a_clone_that_fails_leaves_no_half(tmp_path: Path) -> None:
    plan = plan_install(tmp_path, Hardware.CPU, source=str(tmp_path / "nothing"), release="v1")
    with pytest.raises(InstallFailed, match="Clone ComfyUI"):
        apply_install(plan, lambda _: None)
    assert not plan.target.folder.exists()


def test_a_machine_without_git_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("git") is None
    with pytest.raises(InstallFailed, match="git is not installed"):
        apply_install(plan_install(tmp_path, Hardware.CPU), lambda _: None)
