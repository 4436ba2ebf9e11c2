import logging
from collections.abc import Iterator

import pytest

from comfyfleet.protocol.worker import MAX_LOG_LINES, MAX_LOG_TEXT
from comfyfleet.worker.log_buffer import LogBuffer, keeping_log

SECRET = "a-secret-of-this-fleet"


@pytest.fixture
def buffer() -> Iterator[LogBuffer]:
    log.setLevel(logging.INFO)
    with keeping_log([SECRET]) as kept:
        yield kept


log = logging.getLogger("tests.of.the.log.buffer")


def texts(buffer: LogBuffer) -> list[str]:
    return [line.text for line in buffer.waiting().lines]


def test_what_is_logged_waits_until_it_is_forgotten(buffer: LogBuffer) -> None:
    log.info("job %d: leased", 1)
    log.warning("job 1: failed")
    batch = buffer.waiting()
    assert [(line.level, line.text) for line in batch.lines] == [
        ("INFO", "job 1: leased"),
        ("WARNING", "job 1: failed"),
    ]
    log.info("after that")
    buffer.forget(batch)
    assert texts(buffer) == ["after that"]


def test_nothing_in_it_opens_anything(buffer: LogBuffer) -> None:
    log.info("PUT %s with %s", "https://s3/out?X-Amz-Signature=abc", SECRET)
    assert texts(buffer) == ["PUT https://s3/out with …"]


def test_of_a_long_line_beginning_and_end_are_kept(buffer: LogBuffer) -> None:
    log.info("begin %s end", "x" * 10_000)
    [text] = texts(buffer)
    assert len(text) <= MAX_LOG_TEXT
    assert (text[:5], text[-3:]) == ("begin", "end")


def test_an_exception_comes_with_its_traceback(buffer: LogBuffer) -> None:
    try:
        raise ValueError("of itself")
    except ValueError:
        log.exception("it failed")
    [text] = texts(buffer)
    assert text.startswith("it failed\nTraceback")
    assert text.endswith("ValueError: of itself")


def test_a_batch_fits_into_a_report_and_the_oldest_lines_go_first(buffer: LogBuffer) -> None:
    for number in range(1500):
        log.info("%d", number)
    batch = buffer.waiting()
    assert [batch.lines[0].text, len(batch.lines)] == ["500", MAX_LOG_LINES]
    for number in range(900):
        log.info("again %d", number)
    buffer.forget(batch)
    assert texts(buffer)[0] == "1400"


def test_a_record_that_cannot_be_shown_disturbs_nothing(buffer: LogBuffer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    record = logging.LogRecord("x", logging.INFO, "", 0, "%d", ("no number",), None)
    buffer.handle(record)
    assert texts(buffer) == []


def test_afterwards_nothing_is_kept() -> None:
    with keeping_log([]) as buffer:
        pass
    log.warning("too late")
    assert texts(buffer) == []
