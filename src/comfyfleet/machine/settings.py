"""Settings of `comfyfleet machine`: one typed object, the only place where its environment is read."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from comfyfleet import names
from comfyfleet.core.errors import Invalid
from comfyfleet.protocol.environment import problems_of


class MachineSettingsInvalid(Invalid):
    """An option or a variable of the environment has no sense."""

    code = "machine_settings_invalid"


class MachineSettings(BaseSettings):
    """Where bundles come from and where they go. Options win over the environment."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", populate_by_name=True)

    models_bucket: str | None = Field(default=None, description="Models bucket on S3.", min_length=3, max_length=63)
    models_folder: Path | None = Field(
        default=None, description="Folder of a models disk, where bundles come from this machine's own disk."
    )
    bundle_prefix: str | None = Field(default=None, description="Bundle to apply, as bundles/<bundle_id>.")
    install_root: Path = Field(default=Path(names.INSTALL_ROOT), description="ComfyUI's folder.")
    content_store: Path | None = Field(
        default=None, description="Folder of fetched files, on the root's file system; by default beside the root."
    )
    content_store_limit_bytes: int | None = Field(
        default=None, ge=0, description="What the content store keeps at most; unset, it forgets only to make room."
    )
    fetch_connections: int = Field(default=8, ge=1, le=64, description="How many ranges are fetched at once.")
    comfyui_python: Path | None = Field(
        default=None, description="Python of ComfyUI's environment; by default that of a venv in the root."
    )
    comfyui_restart_command: str | None = Field(
        default=None, description="How ComfyUI is started again; by default systemctl try-restart of its service."
    )
    asset_sync_log: Path = Field(default=Path(names.ASSET_SYNC_LOG), description="Log that applies add lines to.")
    aws_endpoint_url: str | None = Field(default=None, description="Endpoint of the models bucket, if not AWS itself.")
    aws_endpoint_url_s3: str | None = Field(default=None, description="The same for S3 alone; wins.")
    aws_default_region: str | None = Field(default=None, description="Region of the models bucket.")

    @classmethod
    def load(cls, **options: object) -> Self:
        """Return the settings from the options that were given (not None) and the environment."""
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]  # pydantic checks them
        except ValidationError as error:
            raise MachineSettingsInvalid(
                f"{problems_of(error)}.", hint="See comfyfleet machine apply --help."
            ) from error

    @property
    def endpoint_url(self) -> str | None:
        """The endpoint of the models bucket, or None for AWS itself."""
        return self.aws_endpoint_url_s3 or self.aws_endpoint_url
