"""A prompt's history entry: whether it ended well, and why not."""

from collections.abc import Mapping
from typing import Any, Final

from comfyfleet.worker.errors import AttemptFailed, ExecutionFailed, Interrupted, OutOfMemory, Place
from comfyfleet.worker.outcome.paths import without_folders

_MOST_CHARACTERS: Final = 2000


def failure(entry: Mapping[str, Any]) -> AttemptFailed | None:
    """Return why the prompt of a history entry has no result, or None when history says success.

    History says `error` for a cancel too; only the message's name tells them apart.
    """
    status = entry.get("status") or {}
    messages: dict[str, Any] = dict(status.get("messages") or [])
    if "execution_error" in messages:
        return _execution_failure(messages["execution_error"])
    if "execution_interrupted" in messages:
        place = _place(messages["execution_interrupted"])
        return Interrupted(f"{place}: the render was interrupted on the machine.", place=place)
    if status.get("status_str") == "success" and status.get("completed"):
        return None
    return ExecutionFailed(f"ComfyUI ended the render as '{status.get('status_str')}' and does not say why.")


def _execution_failure(error: Mapping[str, Any]) -> AttemptFailed:
    place = _place(error)
    exception_type = str(error.get("exception_type") or "an error without a name")
    reason = without_folders(str(error.get("exception_message") or "").strip())[:_MOST_CHARACTERS]
    message = f"{place}: {reason} ({exception_type})" if reason else f"{place}: {exception_type}"
    # torch.OutOfMemoryError, and torch.cuda.OutOfMemoryError before PyTorch 2.5
    is_memory = exception_type.rsplit(".", 1)[-1] == "OutOfMemoryError"
    return OutOfMemory(message, place=place) if is_memory else ExecutionFailed(message, place=place)


def _place(data: Mapping[str, Any]) -> Place:
    node_id = data.get("node_id")
    return Place(None if node_id is None else str(node_id), data.get("node_type"))
