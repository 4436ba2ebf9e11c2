from datetime import UTC, datetime

import pytest

from comfyfleet.core.operations import MAX_LOG_CHARACTERS, LineKind
from comfyfleet.web.operating.log import Log
from comfyfleet.web.operating.stopping import Stop

NOW = datetime(2026, 2, 20, tzinfo=UTC)


def new_log(stop: Stop | None = None) -> Log:
    return Log(stop or Stop(), lambda: NOW)


def test_what_is_slept_is_slept_in_slices_until_somebody_asks() -> None:
    stop, slept = Stop(), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            stop.ask()

    with pytest.raises(KeyboardInterrupt):
        stop.within(sleep)(15)
    assert slept == [1.0, 1.0, 1.0]
    stop.within(sleep)(2.5)
    assert slept[3:] == [1.0, 1.0, 0.5]


def test_a_verb_is_told_once_and_may_then_clear_up() -> None:
    stop = Stop()
    log = new_log(stop)
    stop.ask()
    with pytest.raises(KeyboardInterrupt):
        log.step("Launching")
    stop.ask()
    log.step("Ending")
    assert [line.text for line in log.take()] == ["Launching", "Ending"]


def test_what_a_machine_prints_is_gathered_between_steps() -> None:
    log = new_log()
    for text in ("one\n", "two\x00\n"):
        log.output(text)
    log.step("Next")
    log.output("\ud800three\n")
    assert [(line.kind, line.text) for line in log.take()] == [
        (LineKind.OUTPUT, "one\ntwo\n"),
        (LineKind.STEP, "Next"),
        (LineKind.OUTPUT, "?three\n"),
    ]
    assert log.take() == []


def test_a_log_that_grows_too_long_says_where_the_rest_is_and_steps_go_on() -> None:
    log = new_log()
    for _ in range(3):
        log.output("x" * (MAX_LOG_CHARACTERS // 2 + 1))
    log.step("Next")
    output, step = log.take()
    assert output.text.count("x") < MAX_LOG_CHARACTERS + 20
    assert output.text.endswith("below asset-sync/.)\n")
    assert step.text == "Next"
