import json
from pathlib import Path
from typing import Any, Final

import pytest

from comfyfleet.worker.errors import ExecutionFailed, Interrupted, OutOfMemory, Place
from comfyfleet.worker.outcome.history import failure

RECORDS: Final = Path(__file__).parents[3] / "data" / "comfyui" / "records"


def entry(name: str) -> dict[str, Any]:
    history: dict[str, dict[str, Any]] = json.loads((RECORDS / f"{name}.json").read_text())["history"]
    return next(iter(history.values()))


@pytest.mark.parametrize("name", ["i_first", "i_second_cached", "ii_video", "iii_text", "cdel2_cached_deleted_output"])
def test_a_success_has_no_failure(name: str) -> None:
    assert failure(entry(name)) is None


def test_an_execution_error_names_node_and_reason() -> None:
    error = failure(entry("v_exec_error"))
    assert isinstance(error, ExecutionFailed)
    assert not error.is_retryable
    assert error.place == Place("1", "LoadImage")
    assert error.message == ("Node 1 (LoadImage): cannot identify image file 'broken.png' (PIL.UnidentifiedImageError)")


def test_an_error_after_an_output_is_a_failure() -> None:
    assert entry("v_b_error_after_output")["outputs"]
    assert isinstance(failure(entry("v_b_error_after_output")), ExecutionFailed)


@pytest.mark.parametrize("name", ["vi_interrupt_global", "vi_interrupt_targeted"])
def test_an_interrupted_render_is_told_from_an_error(name: str) -> None:
    error = failure(entry(name))
    assert isinstance(error, Interrupted)
    assert error.is_retryable
    assert error.place.node_type == "ImageBlur"


@pytest.mark.parametrize("name", ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"])
def test_a_lack_of_memory_may_pass(name: str) -> None:
    failed = entry("v_exec_error")
    failed["status"]["messages"][-1][1]["exception_type"] = name
    error = failure(failed)
    assert isinstance(error, OutOfMemory)
    assert error.is_retryable


@pytest.mark.parametrize("status", [None, {}, {"status_str": "success"}, {"status_str": "error", "completed": False}])
def test_history_that_does_not_say_success_is_none(status: object) -> None:
    assert isinstance(failure({"outputs": {}, "status": status}), ExecutionFailed)
