"""How an attempt at a job ends without a result. The kind decides: what is unavailable may be there next time."""

from dataclasses import dataclass
from typing import Final

from comfyfleet.core.errors import Conflict, ErrorKind, FleetError


@dataclass(frozen=True)
class Place:
    """The place in a workflow that an error is about."""

    node_id: str | None = None
    node_type: str | None = None
    input_name: str | None = None

    def __str__(self) -> str:
        """Name the place for a person, such as `Node 4 (CheckpointLoaderSimple), input ckpt_name`."""
        node = f"Node {self.node_id}" + (f" ({self.node_type})" if self.node_type else "")
        return f"{node}, input {self.input_name}" if self.input_name else node


NOWHERE: Final = Place()


class AttemptFailed(FleetError):
    """Base of what ends an attempt; `place` says where in the workflow, if that is known."""

    def __init__(self, message: str, *, hint: str = "", place: Place = NOWHERE) -> None:
        super().__init__(message, hint=hint)
        self.place = place

    @property
    def is_retryable(self) -> bool:
        """Whether another attempt may succeed."""
        return self.kind is ErrorKind.UNAVAILABLE


class LeaseLost(Conflict):
    """The job is no longer ours: whatever we made of it is dropped in silence."""

    code = "lease_lost"


class CancelRequested(AttemptFailed):
    """The user wants the job stopped."""

    kind = ErrorKind.CONFLICT
    code = "canceled"


class PromptInvalid(AttemptFailed):
    """ComfyUI refused the prompt, or a part of it."""

    code = "prompt_invalid"


class ExecutionFailed(AttemptFailed):
    """A node raised an error."""

    code = "execution_failed"


class OutOfMemory(AttemptFailed):
    """A node needed more memory than this machine had left."""

    kind = ErrorKind.UNAVAILABLE
    code = "out_of_memory"


class Interrupted(AttemptFailed):
    """Somebody interrupted ComfyUI, and it was not the user who owns the job."""

    kind = ErrorKind.UNAVAILABLE
    code = "interrupted"


class PromptLost(AttemptFailed):
    """ComfyUI no longer knows the prompt: it was restarted."""

    kind = ErrorKind.UNAVAILABLE
    code = "prompt_lost"


class RenderTimedOut(AttemptFailed):
    """The prompt ran longer than it may."""

    kind = ErrorKind.UNAVAILABLE
    code = "render_timeout"


class ComfyUIUnreachable(AttemptFailed):
    """ComfyUI does not answer, or with nonsense."""

    kind = ErrorKind.UNAVAILABLE
    code = "comfyui_unreachable"


class ComfyUISilent(ComfyUIUnreachable):
    """ComfyUI holds its port and does not answer in time: it may hang, or a node may hold Python's lock."""

    code = "comfyui_silent"


class InputUnavailable(AttemptFailed):
    """An input could not be fetched whole."""

    kind = ErrorKind.UNAVAILABLE
    code = "input_unavailable"


class InputMissing(AttemptFailed):
    """Storage has no such input."""

    kind = ErrorKind.NOT_FOUND
    code = "input_missing"


class InputTooLong(AttemptFailed):
    """A video or an audio file lasts longer than its property allows."""

    kind = ErrorKind.INVALID
    code = "input_too_long"


class InputRefused(AttemptFailed):
    """ComfyUI did not take an input."""

    code = "input_refused"


class OutputMissing(AttemptFailed):
    """The prompt ended well, but the output node made no file of the promised kind."""

    code = "output_missing"


class OutputLost(AttemptFailed):
    """ComfyUI names an output file that it cannot show."""

    kind = ErrorKind.UNAVAILABLE
    code = "output_lost"


class OutputRefused(AttemptFailed):
    """Storage did not take the output, or the control plane did not find it there."""

    kind = ErrorKind.UNAVAILABLE
    code = "output_refused"


class WorkerFaulty(AttemptFailed):
    """An error in the worker's own code."""

    kind = ErrorKind.UNAVAILABLE
    code = "worker_faulty"
