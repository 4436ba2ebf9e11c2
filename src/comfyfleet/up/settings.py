"""Settings of `comfyfleet up`."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from comfyfleet import names


class UpSettings(BaseSettings):
    """What to start. Everything has a default: nothing needs to be configured on one machine."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    data: Path | None = Field(
        default=None,
        validation_alias="COMFYFLEET_DATA",
        description="Data folder; by default the user's own, such as ~/.local/share/comfyfleet.",
    )
    host: str = Field(default="127.0.0.1", validation_alias="COMFYFLEET_HOST", description="Address to listen on.")
    port: int = Field(
        default=8600, ge=0, le=65535, validation_alias="COMFYFLEET_PORT", description="Port; 0 takes a free one."
    )
    comfyui_url: str | None = Field(
        default=None, validation_alias="COMFYUI_URL", description="A ComfyUI to use instead of looking for one."
    )
    database_url: str | None = Field(
        default=None, validation_alias="DATABASE_URL", description="A Postgres to use instead of our own."
    )
    app_key: SecretStr | None = Field(
        default=None, validation_alias="APP_KEY", description="Signing key instead of the data folder's."
    )
    fleet_secret: SecretStr | None = Field(
        default=None,
        validation_alias="COMFYUI_FLEET_SECRET",
        description="Fleet secret instead of the data folder's.",
    )
    has_worker: bool = Field(default=True, description="Whether to run a worker of the local fleet.")
    fleet_slug: str = Field(default=names.DEFAULT_FLEET, description="The local fleet.")
    stage: str = Field(default=names.LOCAL_STAGE, description="Its stage.")
