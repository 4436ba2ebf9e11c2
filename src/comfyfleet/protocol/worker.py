"""The worker protocol. `docs/reference/worker-protocol.md` says for each answer what a worker must do."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

WORKER_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
MAX_LOG_LINES: Final = 200
"""Lines of a log in one report."""
MAX_LOG_TEXT: Final = 2000
MAX_GPUS: Final = 64
MAX_NUMBER: Final = 2**63 - 1
"""More than this no database column holds."""


def _without_nul(text: str) -> str:
    return text.replace("\x00", "")


Text: TypeAlias = Annotated[str, AfterValidator(_without_nul)]
"""A text as Postgres can store it."""

Message = Annotated[Text, Field(max_length=20_000)]
Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
RegistrationSource: TypeAlias = Literal["fleet", "dev_node", "local"]


class WireModel(BaseModel):
    """Ignores fields it does not know: every field that a newer side needs is an addition."""

    model_config = ConfigDict(extra="ignore")


class RegisterRequest(WireModel):
    """A worker asks to join its fleet. `worker_id` is the machine's instance id.

    `identity` is the machine's identity document, signed by AWS: `dynamic/instance-identity/rsa2048` of its metadata.
    """

    worker_id: str = Field(pattern=WORKER_ID_PATTERN)
    fleet_slug: Text = Field(min_length=1, max_length=64)
    stage: Text | None = Field(default=None, max_length=64)
    display_name: Text | None = Field(default=None, max_length=200)
    capabilities: dict[str, Any] = Field(default_factory=dict)
    max_concurrency: int = Field(default=1, ge=1, le=64)
    capacity_type: Literal["spot", "on-demand"] | None = None
    instance_type: Text | None = Field(default=None, max_length=64)
    registration_source: RegistrationSource = "fleet"
    identity: Text | None = Field(default=None, max_length=16384)


class Registration(WireModel):
    """The token stands for this worker until it registers again."""

    worker_id: str
    token: str
    workflows_assigned: list[str]
    fleet_slug: str
    stage: str


class PollRequest(WireModel):
    """A worker asks for a job; the server may hold the call open for `wait_seconds`."""

    worker_id: str
    current_load: int = Field(ge=0)
    max_concurrency: int = Field(ge=1, le=64)
    capabilities: dict[str, Any] | None = None
    wait_seconds: float = Field(default=0, ge=0, le=60)


class FileAsset(WireModel):
    """One file of a job: fetch `download_url`, write ComfyUI's name for it where `placeholder` stands.

    A video or an audio file that lasts longer than `max_seconds` fails the job.
    """

    key: str
    type: str
    placeholder: str
    is_primary_input: bool = False
    download_url: str
    content_hash: str | None = None
    filename: str | None = None
    size: int | None = None
    max_seconds: float | None = None


class InputPayload(WireModel):
    """What to render. Text and numbers are already in `workflow`; files are placeholders."""

    workflow: dict[str, Any]
    output_node_id: str
    output_extension: str
    output_mime_type: str
    input_path_placeholder: str | None = None
    input_name: str | None = None
    input_mime_type: str | None = None
    assets: list[FileAsset] = Field(default_factory=list)


class LeasedJob(WireModel):
    """A job that is this worker's until `lease_expires_at`, unless a heartbeat renews it."""

    dispatch_id: int
    lease_token: str
    lease_expires_at: datetime
    tenant_id: str
    job_id: int
    effect_id: int
    attempt: int = 1
    input_url: str | None = None
    output_url: str
    output_headers: dict[str, str] = Field(default_factory=dict)
    input_payload: InputPayload


class Poll(WireModel):
    """The answer to a poll: one leased job, or none."""

    job: LeasedJob | None = None
    is_draining: bool = False


class Lease(WireModel):
    """What every call about a leased job carries."""

    dispatch_id: int = Field(ge=1, le=MAX_NUMBER)
    lease_token: str = Field(max_length=200)


class Progress(WireModel):
    """How far a job is, 0 to 1, and the node that runs."""

    value: float = Field(ge=0, le=1)
    node_id: Text | None = Field(default=None, max_length=200)
    node_type: Text | None = Field(default=None, max_length=200)


class HeartbeatRequest(Lease):
    """Keeps a lease alive while the worker renders."""

    progress: Progress | None = None


class Heartbeat(WireModel):
    """When the renewed lease ends, and whether the user wants the job stopped."""

    lease_expires_at: datetime
    cancel_requested: bool


class OutputDescription(WireModel):
    """What the worker uploaded; `size` in bytes."""

    size: Number
    mime_type: str = Field(max_length=200)
    metadata: dict[str, Any] | None = None


class CompleteRequest(Lease):
    """The job is done and its output lies at `output_url`."""

    provider_job_id: Text = Field(max_length=200)
    output: OutputDescription


class Completed(WireModel):
    """The job that was completed."""

    job_id: int


class FailRequest(Lease):
    """The job cannot be rendered; `error_message` is shown to the user.

    `retryable` says that another attempt may succeed. The other fields name the place in the workflow.
    """

    error_message: Message
    retryable: bool = False
    error_code: Text | None = Field(default=None, max_length=100)
    node_id: Text | None = Field(default=None, max_length=200)
    node_type: Text | None = Field(default=None, max_length=200)
    input_name: Text | None = Field(default=None, max_length=200)


class Failed(WireModel):
    """The dispatch that was failed."""

    dispatch_id: int


class RequeueRequest(Lease):
    """The worker hands a job back untouched; the attempt is not counted."""

    reason: Text = Field(max_length=1000)


class DeregisterRequest(WireModel):
    """The worker leaves."""

    reason: Text | None = Field(default=None, max_length=1000)


class GpuFigures(WireModel):
    """What ComfyUI tells of a GPU; bytes. `torch_vram_total` is what PyTorch has reserved of its memory."""

    name: Text | None = Field(default=None, max_length=200)
    type: Text | None = Field(default=None, max_length=64)
    vram_total: Number | None = None
    vram_free: Number | None = None
    torch_vram_total: Number | None = None
    torch_vram_free: Number | None = None


class Figures(WireModel):
    """What ComfyUI tells of itself and of its machine."""

    comfyui_version: Text | None = Field(default=None, max_length=64)
    gpus: list[GpuFigures] = Field(default_factory=list, max_length=MAX_GPUS)


class LogLine(WireModel):
    """A line of the worker's own log. Nothing in it opens anything: no token, no query of an address."""

    at: AwareDatetime
    level: Text = Field(max_length=16)
    text: Text = Field(max_length=MAX_LOG_TEXT)


class ReportRequest(WireModel):
    """How the machine is. `figures` is null while ComfyUI does not answer; `log` are lines not reported before."""

    figures: Figures | None = None
    bundle_id: Text | None = Field(default=None, max_length=64)
    log: list[LogLine] = Field(default_factory=list, max_length=MAX_LOG_LINES)
