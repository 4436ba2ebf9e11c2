"""How a machine tells its progress."""

import io
import re
from pathlib import Path

import pytest

from comfyfleet.cli.machine_report import Teller
from comfyfleet.machine.settings import MachineSettings


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.fixture
def settings(tmp_path: Path) -> MachineSettings:
    return MachineSettings.load(asset_sync_log=tmp_path / "sync.log")


def test_each_line_is_told_and_logged_with_its_time(settings: MachineSettings) -> None:
    stream = io.StringIO()
    with Teller(settings, is_quiet=False, stream=stream) as teller:
        teller.report.say("one\ntwo")
    assert stream.getvalue() == "one\ntwo\n"
    for line, text in zip(settings.asset_sync_log.read_text().splitlines(), ("one", "two"), strict=True):
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ {text}", line)


def test_who_wants_json_gets_no_lines_but_the_log_does(settings: MachineSettings) -> None:
    stream = io.StringIO()
    with Teller(settings, is_quiet=True, stream=stream) as teller:
        teller.report.say("one")
        teller.report.expect(10)
        teller.report.count(5)
    assert stream.getvalue() == ""
    assert settings.asset_sync_log.read_text().endswith(" one\n")


def test_a_terminals_bar_is_erased_before_the_next_line(settings: MachineSettings) -> None:
    stream = Terminal()
    with Teller(settings, is_quiet=False, stream=stream) as teller:
        teller.report.say("one")
    assert stream.getvalue() == "\r\x1b[Kone\n\r\x1b[K"


def test_a_failure_is_logged(settings: MachineSettings) -> None:
    with pytest.raises(ValueError, match="why"), Teller(settings, is_quiet=True, stream=io.StringIO()):
        raise ValueError("why")
    assert settings.asset_sync_log.read_text().endswith(" failed: why\n")


def test_nobody_has_to_listen(settings: MachineSettings) -> None:
    with Teller(settings, is_quiet=False, stream=Closed()) as teller:
        teller.report.say("one")
        teller.report.say("two")
    assert settings.asset_sync_log.read_text().count("\n") == 2


def test_a_log_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    settings = MachineSettings.load(asset_sync_log=tmp_path / "nowhere" / "sync.log")
    with pytest.raises(FileNotFoundError), Teller(settings, is_quiet=True, stream=io.StringIO()):
        raise AssertionError
