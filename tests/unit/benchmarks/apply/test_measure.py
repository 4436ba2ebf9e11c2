"""Measuring: time, processors and memory of processes."""

import sys
from pathlib import Path

import pytest
from benchmarks.apply.measure import Command, measure
from benchmarks.errors import BenchmarkFailed

MIB = 2**20


def python(code: str) -> Command:
    return Command((sys.executable, "-S", "-E", "-c", code))


def test_memory_is_the_most_of_one_process_not_what_it_ends_with(tmp_path: Path) -> None:
    used = measure([python("b = b'x' * (300 * 2**20); del b; import time; time.sleep(0.2)")], tmp_path / "log")
    assert 300 * MIB < used.peak < 340 * MIB


def test_memory_of_processes_at_the_same_time_is_added(tmp_path: Path) -> None:
    code = "import os, time; os.fork(); b = b'x' * (150 * 2**20); time.sleep(0.6); os.getpid()"
    assert measure([python(code)], tmp_path / "log").peak > 290 * MIB


def test_processor_time_of_children_counts_and_commands_add_up(tmp_path: Path) -> None:
    burn = "import os, time\npid = os.fork()\nwhile time.process_time() < 0.2: pass\nif pid: os.wait()"
    used = measure([python(burn), python(burn)], tmp_path / "log")
    assert 0.8 <= used.cpu < 2
    assert used.wall >= 0.4


def test_a_command_sees_only_the_environment_that_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    code = "import os, sys; sys.exit(os.environ.get('AWS_PROFILE') or os.environ['GIVEN'] != 'this')"
    measure([Command((sys.executable, "-c", code), {"GIVEN": "this"})], tmp_path / "log")


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkFailed, match="ended with 3: no such thing"):
        measure([python("import sys; print('no such thing'); sys.exit(3)")], tmp_path / "log")
