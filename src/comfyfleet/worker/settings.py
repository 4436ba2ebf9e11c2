"""The worker's settings: one typed object, the only place where its environment is read."""

import shlex
from pathlib import Path
from typing import Literal, Self

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from comfyfleet import names
from comfyfleet.core.errors import Invalid
from comfyfleet.core.secrets import check_secret
from comfyfleet.protocol.environment import problems_of
from comfyfleet.protocol.worker import WORKER_ID_PATTERN


class WorkerSettingsInvalid(Invalid):
    """The worker's environment lacks a setting, or one has a value that cannot be."""

    code = "worker_settings_invalid"


class WorkerSettings(BaseSettings):
    """Settings of the worker. On a GPU machine they come from `/opt/worker/env`; an empty value counts as unset."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    api_base_url: str = Field(description="Where the control plane answers, such as https://fleet.example.com.")
    worker_id: str = Field(pattern=WORKER_ID_PATTERN, description="Who this worker is: the machine's instance id.")
    fleet_secret: SecretStr = Field(description="What a new worker shows to register; the fleet's stage has one.")
    fleet_slug: str = Field(min_length=1, max_length=64, description="The fleet to join.")
    fleet_stage: str = Field(default=names.LOCAL_STAGE, min_length=1, max_length=64, description="The fleet's stage.")
    asg_name: str | None = Field(default=None, description="The Auto Scaling group that this machine belongs to.")
    aws_ec2_metadata_service_endpoint: str = Field(
        default="http://169.254.169.254", description="Metadata service of a machine that belongs to a group."
    )
    notice_interval_seconds: float = Field(
        default=5, gt=0, le=60, description="Pause between two looks whether a machine of a group is to go."
    )
    registration_source: Literal["fleet", "dev_node", "local"] = Field(
        default="fleet", description="What kind of machine this is: of a fleet, a developer's, or the local one."
    )
    max_concurrency: int = Field(
        default=1, ge=1, le=64, description="Jobs held at once; ComfyUI renders one, further ones fetch and upload."
    )
    heartbeat_interval_seconds: float = Field(
        default=10, gt=0, le=300, description="Longest pause between two signs of life of a job."
    )
    poll_interval_seconds: float = Field(
        default=3, gt=0, le=300, description="Pause after an error, or where the server does not hold polls open."
    )
    poll_wait_seconds: float = Field(
        default=25, ge=0, le=60, description="How long the server may hold a poll open until there is a job."
    )

    report_interval_seconds: float = Field(
        default=10, gt=0, le=300, description="Pause between two reports of the machine's figures and of the log."
    )

    comfyui_base_url: str = Field(
        default=names.COMFYUI_DEFAULT_URL, description="Where this machine's ComfyUI answers."
    )
    comfyui_start_command: str | None = Field(
        default=None,
        description="Shell-quoted command line of a ComfyUI that the worker starts itself and restarts when it dies.",
    )
    install_root: Path | None = Field(
        default=None,
        description="ComfyUI's folder, where it is noted which bundle was applied; if unset, /opt/comfyui, and for the"
        " local worker none.",
    )
    render_timeout_seconds: float = Field(
        default=3600, gt=0, description="Longest time that one prompt may run; it is interrupted then."
    )
    work_directory: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("comfyfleet") / "worker",
        description="Folder of this worker alone, for the inputs of running jobs and for ComfyUI's log.",
    )

    @property
    def bundle_root(self) -> Path | None:
        """The folder that tells which bundle was applied on this machine, if there is one to look at."""
        if self.install_root is not None or self.registration_source == "local":
            return self.install_root
        return Path(names.INSTALL_ROOT)

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            WorkerSettingsInvalid: With the name of each variable that is missing or wrong, never with its value.
            SecretRefused: The fleet secret is a placeholder or too short.
        """
        try:
            return cls()
        except ValidationError as error:
            raise WorkerSettingsInvalid(
                f"The worker's environment is not right. {problems_of(error)}.",
                hint="Set these variables, on a GPU machine in /opt/worker/env, and start again.",
            ) from error

    @field_validator("fleet_secret")
    @classmethod
    def _is_a_real_secret(cls, value: SecretStr) -> SecretStr:
        check_secret("FLEET_SECRET", value.get_secret_value())
        return value

    @field_validator("api_base_url", "comfyui_base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("comfyui_start_command")
    @classmethod
    def _is_a_command_line(cls, value: str | None) -> str | None:
        if value is not None and not shlex.split(value):
            raise ValueError("must name a program")
        return value
