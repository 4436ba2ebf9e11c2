"""The control plane's settings: one typed object, the only place where its environment is read."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from comfyfleet import names
from comfyfleet.core.errors import Invalid
from comfyfleet.core.jobs import DEFAULT_MAX_ATTEMPTS
from comfyfleet.core.secrets import check_secret
from comfyfleet.protocol.environment import problems_of


class ServerSettingsInvalid(Invalid):
    """The control plane's environment lacks a setting, or one has a value that cannot be."""

    code = "server_settings_invalid"


class ServerSettings(BaseSettings):
    """Settings of the control plane. An unset bucket means: keep its objects in `objects_folder`."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, populate_by_name=True)

    database_url: str = Field(description="Postgres to use, such as postgresql://user:password@host/name.")
    app_key: SecretStr = Field(description="Signs URLs of objects on disk; at least 16 characters.")
    comfyui_fleet_secret: SecretStr = Field(description="What a new worker shows to register.")
    stage: str = Field(default=names.LOCAL_STAGE, description="The stage whose fleets this control plane serves.")
    cloud: Literal["none", "aws"] = Field(
        default="none", description="Where pointers and figures of fleets go: to AWS, or to files in `state_folder`."
    )
    pages_operate: bool = Field(
        default=False,
        description="Whether the fleet's page launches dev nodes, bakes and rolls; the role has to allow it.",
    )
    machine_package: Path | None = Field(
        default=None,
        description="Folder with machine/, our wheel and worker.txt, of which pages bake; else they bake nothing.",
    )
    revision: str | None = Field(
        default=None, max_length=100, description="What tags the images that pages bake; else the version."
    )
    name_prefix: str = Field(
        default=names.DEFAULT_PREFIX, pattern=r"^[a-z][a-z0-9-]*$", description="What names on AWS begin with."
    )
    worker_identity_check: Literal["off", "signature", "group"] = Field(
        default="off",
        description="What a machine on AWS proves when it registers: nothing, that AWS has signed which machine of our"
        " account it is, or that it is in its fleet's group, too.",
    )
    aws_account_id: str | None = Field(
        default=None, pattern=r"^\d{12}$", description="The account whose machines may register."
    )
    aws_identity_certificates: Path | None = Field(
        default=None, description="PEM file, or folder of such, with AWS's RSA-2048 certificates for identities."
    )
    state_folder: Path | None = Field(
        default=None, description="Folder for pointers and figures without a cloud; else `state` beside the objects."
    )
    objects_folder: Path = Field(default=Path("objects"), description="Folder for objects of buckets that are unset.")

    aws_bucket: str | None = Field(default=None, description="Media bucket (uploads and outputs) on S3.")
    aws_endpoint_url: str | None = Field(default=None, description="Endpoint of the media bucket, if not AWS itself.")
    aws_default_region: str = Field(default="us-east-1", description="Region of the buckets.")
    aws_access_key_id: str | None = Field(default=None, description="Key of the media bucket; else the role's.")
    aws_secret_access_key: SecretStr | None = Field(default=None, description="Secret of that key.")

    comfyui_models_bucket: str | None = Field(default=None, description="Models bucket (assets, bundles) on S3.")
    comfyui_models_disk: str = Field(default=names.MODELS_DISK, description="Name of the models disk.")
    comfyui_models_endpoint_url: str | None = Field(default=None, description="Endpoint of the models bucket.")
    comfyui_models_access_key_id: str | None = Field(default=None, description="Key of the models bucket.")
    comfyui_models_secret_access_key: SecretStr | None = Field(default=None, description="Secret of that key.")
    comfyui_logs_bucket: str | None = Field(default=None, description="Logs bucket on S3.")
    comfyui_logs_disk: str = Field(default=names.LOGS_DISK, description="Name of the logs disk.")

    import_huggingface_token: SecretStr | None = Field(
        default=None, description="Token for imports from huggingface.co; sent to no other host."
    )
    import_civitai_token: SecretStr | None = Field(
        default=None, description="Token for imports from civitai.com; sent to no other host."
    )
    import_allowed_networks: list[IPvAnyNetwork] = Field(
        default_factory=list, description="Private networks that assets may be imported from, as a JSON list of CIDRs."
    )
    import_max_bytes: int = Field(default=2**40, ge=1, description="Largest file that is imported from a URL.")

    max_upload_bytes: int = Field(default=10 * 2**30, ge=1, description="Largest file that a user may upload.")
    upload_url_seconds: int = Field(default=6 * 3600, ge=1, description="How long a signed upload URL works.")
    download_url_seconds: int = Field(default=3600, ge=1, description="How long a signed download URL works.")
    worker_url_seconds: int = Field(default=12 * 3600, ge=1, description="How long a leased job's URLs work.")
    session_seconds: int = Field(default=14 * 86400, ge=60, description="How long a sign-in lasts.")
    is_https: bool = Field(default=False, description="Whether users reach us by HTTPS, so that cookies are Secure.")

    lease_silent_seconds: float = Field(default=3600, gt=0, description="Lease of a worker that never heartbeats.")
    lease_minimum_seconds: float = Field(default=20, gt=0, description="Shortest lease of a worker that does.")
    max_attempts: int = Field(
        default=DEFAULT_MAX_ATTEMPTS, ge=1, le=100, description="Attempts at a job before it is failed."
    )
    worker_lost_seconds: float = Field(default=120, gt=0, description="Silence after which a worker counts as lost.")
    maintenance_interval_seconds: float = Field(default=2, gt=0, description="Pause between looks for lost leases.")
    metrics_keep_days: float = Field(default=14, gt=0, le=3650, description="How long samples of fleets are kept.")
    attention_oldest_seconds: float = Field(
        default=600, gt=0, description="A job that has waited so long needs an operator's attention."
    )
    poll_max_wait_seconds: float = Field(default=30, ge=0, le=60, description="Longest time that a poll is held open.")

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            ServerSettingsInvalid: With the name of each variable that is missing or wrong, never with its value.
            SecretRefused: A secret is a placeholder or too short.
        """
        try:
            return cls()
        except ValidationError as error:
            raise ServerSettingsInvalid(
                f"The control plane's environment is not right. {problems_of(error)}.",
                hint="Set these variables, as .env.example explains them, and start again.",
            ) from error

    @field_validator("app_key", "comfyui_fleet_secret")
    @classmethod
    def _is_a_real_secret(cls, value: SecretStr) -> SecretStr:
        check_secret("The signing key or fleet secret", value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _can_check_identities(self) -> Self:
        if self.worker_identity_check != "off" and not (self.aws_account_id and self.aws_identity_certificates):
            raise ValueError("WORKER_IDENTITY_CHECK needs AWS_ACCOUNT_ID and AWS_IDENTITY_CERTIFICATES")
        if self.worker_identity_check == "group" and self.cloud != "aws":
            raise ValueError("WORKER_IDENTITY_CHECK=group needs CLOUD=aws")
        return self

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with the driver that SQLAlchemy shall use."""
        return self.database_url.replace("postgres://", "postgresql://", 1).replace(
            "postgresql://", "postgresql+asyncpg://", 1
        )
