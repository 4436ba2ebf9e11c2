"""ComfyUI is installed in steps that can be interrupted."""

import shutil
import subprocess
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
    steps = tuple(step for step in plan.steps if "torch" not in step.words)  # its index cannot be reached everywhere
    plan = plan.__class__(plan.target, plan.hardware, steps, plan.marker)
    assert find_installed(tmp_path / "data", "v1") is None
    said: list[str] = []
    apply_install(plan, said.append)
    installed = find_installed(tmp_path / "data", "v1")
    assert installed is not None
    assert subprocess.check_output([installed.python, installed.main], text=True) == "started\n"
    apply_install(plan, said.append)
    assert said[-3].endswith("done before")


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
