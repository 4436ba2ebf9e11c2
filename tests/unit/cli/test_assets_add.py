import hashlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.support.fake_library import FakeLibrary, Fault, running_library
from typer.testing import CliRunner, Result

from comfyfleet.cli.main import app
from comfyfleet.core.assets import AssetKind

PART: Final = 64 * 1024
CONTENT: Final = hashlib.shake_256(b"ink").digest(10 * PART)
Run = Callable[..., Result]


@pytest.fixture
def library() -> Iterator[FakeLibrary]:
    with running_library(part_size=PART) as running:
        yield running


@pytest.fixture
def run(library: FakeLibrary) -> Run:
    def run(*args: str, typed: str | None = None) -> Result:
        words = ["--url", library.url, "--api-key", "cfk_test", "assets", "add", *args]
        return CliRunner().invoke(app, words, input=typed, prog_name="comfyfleet")

    return run


@pytest.fixture
def ink(own_folder: Path) -> Path:
    path = own_folder / "loras" / "ink.safetensors"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_added_and_then_known(run: Run, library: FakeLibrary, ink: Path) -> None:
    first = run(str(ink), "--notes", "ours", "--license", "MIT", "--source-url", "https://example.org/ink")
    assert first.exit_code == 0, first.output
    assert (first.stdout, "ink.safetensors: added, 655.4 kB: lora 1, sha256" in first.stderr) == ("", True)
    new = library.uploads["upload-0"].new
    said = (new.kind, new.notes, new.license, new.source_url)
    assert said == (AssetKind.LORA, "ours", "MIT", "https://example.org/ink")
    second = run(str(ink))
    assert "ink.safetensors: already in the library: lora 1" in second.stderr
    assert library.body_bytes == len(CONTENT)


def test_programs_read_a_line_a_file(run: Run, ink: Path) -> None:
    (ink.parent / "copy.safetensors").write_bytes(CONTENT)
    result = run("loras", "--json", "--kind", "vae")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    added = [(line["file"], line["sent"], line["was_known"]) for line in lines if line["event"] == "added"]
    assert added == [("loras/copy.safetensors", len(CONTENT), False), ("loras/ink.safetensors", 0, True)]
    assert lines[-1]["asset"]["kind"] == "vae"


def test_a_file_that_cannot_be_added_does_not_keep_the_others_from_it(
    run: Run, library: FakeLibrary, ink: Path
) -> None:
    (ink.parent / "a.safetensors").write_bytes(CONTENT[1:])
    library.on_put = lambda _number: os.utime(ink.parent / "a.safetensors", ns=(1, 1))
    result = run("loras", "--json")
    assert result.exit_code == 1
    ends = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["event"], line["file"]) for line in ends] == [
        ("failed", "loras/a.safetensors"),
        ("added", "loras/ink.safetensors"),
    ]
    assert ends[0]["code"] == "file_changed"
    assert "1 of 2 files were not added" in result.stderr


def test_bytes_that_are_refused_end_with_1_and_say_why(run: Run, library: FakeLibrary, ink: Path) -> None:
    library.problem = "It is no safetensors file."
    result = run(str(ink))
    assert (result.exit_code, "It is no safetensors file." in result.stderr) == (1, True)


def test_a_part_that_cannot_be_sent_says_how_to_go_on(run: Run, library: FakeLibrary, ink: Path) -> None:
    library.fail(3, Fault(status=400))
    result = run(str(ink))
    assert result.exit_code == 1
    assert "run the same command again" in result.stderr


@pytest.mark.usefixtures("ink")
@pytest.mark.parametrize("words", [("gone.pt",), ("loras", "--source-url", "x"), ("loras", "--license", "x" * 201)])
def test_nonsense_is_wrong_usage_before_anything_is_sent(
    run: Run, library: FakeLibrary, words: tuple[str, ...]
) -> None:
    assert run(*words).exit_code == 2
    assert library.calls == []


def test_no_server_is_told(ink: Path) -> None:
    words = ["--url", "http://127.0.0.1:9", "--api-key", "k", "assets", "add", str(ink)]
    assert CliRunner().invoke(app, words).exit_code == 4


def test_ctrl_c_leaves_an_upload_that_goes_on(library: FakeLibrary, run: Run, ink: Path) -> None:
    some_came, may_go_on = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number > 4:
            some_came.set()
            may_go_on.wait(60)

    library.on_put = hold
    process = _start(library, str(ink))
    try:
        assert some_came.wait(60)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        may_go_on.set()
    assert process.returncode == 130
    assert "What was sent is kept: run the same command again to go on." in told
    assert "Traceback" not in told
    kept = len(library.uploads["upload-0"].parts)
    assert kept >= 4
    library.body_bytes = 0
    assert run(str(ink)).exit_code == 0
    assert len(library.uploads) == 1
    assert library.body_bytes <= (10 - kept) * PART


def test_ctrl_c_while_the_server_verifies_says_that_it_goes_on(library: FakeLibrary, ink: Path) -> None:
    library.looks_to_verify = 10_000
    process = _start(library, str(ink))
    try:
        assert library.was_looked_at.wait(60)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "the server goes on to verify it" in told


def test_a_terminal_is_asked_before_many_files_are_added(library: FakeLibrary, ink: Path) -> None:
    (ink.parent / "b.safetensors").write_bytes(b"b")
    controller, terminal = pty.openpty()
    try:
        process = _start(library, str(ink.parent), stdin=terminal)
        os.write(controller, b"n\n")
        _, told = process.communicate(timeout=60)
    finally:
        os.close(controller)
        os.close(terminal)
    assert (process.returncode, "Add 2 files, 655.4 kB?" in told, library.calls) == (1, True, [])


def test_a_terminal_shows_a_bar_with_speed(library: FakeLibrary, ink: Path) -> None:
    never = threading.Event()

    def slowly(_number: int) -> None:
        never.wait(0.1)  # a bar is drawn ten times a second

    library.on_put = slowly
    controller, terminal = pty.openpty()
    try:
        with _start(library, str(ink), stderr=terminal) as process:
            os.close(terminal)
            told = _read_all(controller)
        assert process.returncode == 0
    finally:
        os.close(controller)
    assert "sending ink.safetensors" in told
    assert "MB/s" in told
    assert "ink.safetensors: added, 655.4 kB" in told


def _start(
    library: FakeLibrary, *args: str, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.PIPE
) -> "subprocess.Popen[str]":
    words = ["--url", library.url, "--api-key", "cfk_test", "assets", "add", *args]
    # A shell that starts a job in the background lets it ignore SIGINT, and so would our child.
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from comfyfleet.cli.main import app; app(prog_name='comfyfleet')"
    )
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    command = [sys.executable, "-c", start, *words]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)


def _read_all(controller: int) -> str:
    pieces = []
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode()
