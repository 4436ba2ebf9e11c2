"""Settings of `comfyfleet machine boot`, as a stack's user data leaves them in `/opt/worker/boot.env`."""

from pathlib import Path

from pydantic import Field

from comfyfleet import names
from comfyfleet.machine.settings import MachineSettings


class BootSettings(MachineSettings):
    """Which fleet this machine is of, and what its worker is told beyond that."""

    stage: str = Field(min_length=1, max_length=64, description="Stage of the machine's fleet.")
    fleet_slug: str = Field(min_length=1, max_length=64, description="The machine's fleet.")
    name_prefix: str = Field(
        default=names.DEFAULT_PREFIX, min_length=1, max_length=32, description="What parameters' names begin with."
    )
    worker_id: str = Field(min_length=1, max_length=128, description="The machine's instance id.")
    api_base_url: str = Field(pattern="^https?://", description="Where the control plane answers.")
    asg_name: str | None = Field(default=None, description="The Auto Scaling group that the machine belongs to.")
    logs_bucket: str | None = Field(default=None, description="Bucket that keeps what the boot said.")
    worker_environment: Path = Field(
        default=Path(names.WORKER_ENVIRONMENT), description="File that the worker's environment is written to."
    )
    comfyui_base_url: str = Field(
        default=names.COMFYUI_DEFAULT_URL, description="Where this machine's ComfyUI answers."
    )
    max_concurrency: int = Field(default=1, ge=1, le=64, description="Jobs that the worker holds at once.")
    heartbeat_interval_seconds: float = Field(default=10, gt=0, le=300, description="The worker's pause between signs.")
    poll_interval_seconds: float = Field(default=3, gt=0, le=300, description="The worker's pause between questions.")
