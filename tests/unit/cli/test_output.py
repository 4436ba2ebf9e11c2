from datetime import UTC, datetime

import pytest

from comfyfleet.cli.output import print_error, print_json, print_table, printable
from comfyfleet.core.wording import size_text


def test_text_of_others_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[31mred\nb\x07") == "a\N{REPLACEMENT CHARACTER}[31mred b\N{REPLACEMENT CHARACTER}"


def test_a_table_into_a_pipe_cuts_nothing_off_and_reads_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID", "TEXT"), [(1, "[red]" + "x" * 500), (2, None)], empty="none")
    printed = capsys.readouterr().out.splitlines()
    assert all(line == line.rstrip() for line in printed)
    assert [line.split() for line in printed] == [["ID", "TEXT"], ["1", "[red]" + "x" * 500], ["2", "-"]]


def test_an_empty_table_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID",), [], empty="There are no jobs.")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "There are no jobs.\n")


def test_an_error_has_a_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("It [broke].", "Mend it.")
    assert capsys.readouterr().err == "error: It [broke].\nhint: Mend it.\n"


def test_json_keeps_letters_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Größe 🎬"})
    assert capsys.readouterr().out == '{\n  "name": "Größe 🎬"\n}\n'


@pytest.mark.parametrize(("size", "text"), [(None, "-"), (999, "999 B"), (1500, "1.5 kB"), (2_000_000_000, "2.0 GB")])
def test_a_size_is_told_for_a_person(size: int | None, text: str) -> None:
    assert size_text(size) == text


def test_a_time_is_told_in_this_machines_zone() -> None:
    at = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
    assert printable(at) == at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
