"""Packages of custom nodes, installed by ComfyUI's own Python."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from comfyfleet.machine.errors import RequirementsFailed
from comfyfleet.machine.report import Report
from comfyfleet.machine.requirements import find_python, install_requirements


@dataclass(frozen=True)
class Bench:
    """A folder with a Python that notes how it was called and ends as it is told, and custom nodes."""

    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def python(self) -> Path:
        return self.folder / "python"

    def make_python(self, code: int = 0, says: str = "") -> None:
        self.python.write_text(
            f'#!/bin/sh\necho "$@" >> {self.folder}/calls\n'
            f'for last; do :; done\ncat "$last" >> {self.folder}/read\nprintf "%b" "{says}" >&2\nexit {code}\n'
        )
        self.python.chmod(0o755)

    def node(self, name: str, requirements: str | None) -> Path:
        node = self.folder / name
        node.mkdir()
        if requirements is not None:
            (node / "requirements.txt").write_text(requirements)
        return node

    def install(
        self, *nodes: Path, lock: str | None = None, python: Path | None = None, is_lock_new: bool = False
    ) -> None:
        report = Report(self.said.append)
        install_requirements(python or self.python, lock, nodes, self.folder, report, is_lock_new=is_lock_new)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.make_python()
    return bench


def test_the_lists_of_all_nodes_are_installed_in_one_call(bench: Bench) -> None:
    a, b, c = bench.node("a", "one==1\n"), bench.node("b", None), bench.node("c", "two==2\n")
    bench.install(a, b, c)
    (call,) = bench.calls()
    assert call.startswith("-m pip install ")
    assert call.endswith(f"-r {a}/requirements.txt -r {c}/requirements.txt")
    assert "--require-hashes" not in call


def test_a_lock_is_installed_in_place_of_the_lists(bench: Bench) -> None:
    bench.install(bench.node("a", "one\n"), lock="one==1\n")
    (call,) = bench.calls()
    assert "a/requirements.txt" not in call
    assert (bench.folder / "read").read_text() == "one==1\n"
    assert bench.said == ["installing packages of custom nodes from the bundle's lock"]


def test_a_lock_with_hashes_is_held_to_them(bench: Bench) -> None:
    bench.install(bench.node("a", None), lock=f"one==1 --hash=sha256:{'0' * 64}\n")
    assert "--require-hashes" in bench.calls()[0]


def test_nothing_is_run_when_nothing_is_needed(bench: Bench) -> None:
    bench.install()
    bench.install(bench.node("a", None))
    bench.install(lock="one==1\n")
    assert bench.calls() == []
    bench.install(lock="one==1\n", is_lock_new=True)
    assert len(bench.calls()) == 1


def test_what_pip_said_is_told_when_it_fails(bench: Bench) -> None:
    bench.make_python(code=1, says="".join(f"line {number}\\n" for number in range(40)))
    with pytest.raises(RequirementsFailed) as caught:
        bench.install(bench.node("a", "one\n"))
    assert "line 39" in caught.value.message
    assert "line 24\n" not in caught.value.message


def test_an_unknown_python_is_told_only_when_it_is_needed(bench: Bench) -> None:
    report = Report()
    install_requirements(None, None, [bench.node("a", None)], bench.folder, report)
    node = bench.node("b", "one\n")
    with pytest.raises(RequirementsFailed, match="is not known"):
        install_requirements(None, None, [node], bench.folder, report)
    with pytest.raises(RequirementsFailed, match="is not known"):
        bench.install(node, python=bench.folder / "nowhere")


def test_a_python_that_cannot_be_run_is_told(bench: Bench) -> None:
    bench.python.write_text("no program")
    with pytest.raises(RequirementsFailed, match="could not be run"):
        bench.install(bench.node("a", "one\n"))


def test_the_python_is_the_configured_one_or_that_of_a_venv_in_the_root(tmp_path: Path) -> None:
    assert find_python(tmp_path, None) is None
    hidden, plain = tmp_path / ".venv/bin/python", tmp_path / "venv/bin/python"
    for python in (hidden, plain):
        python.parent.mkdir(parents=True)
        python.touch()
        assert find_python(tmp_path, None) == python
    assert find_python(tmp_path, Path("/other/python")) == Path("/other/python")
