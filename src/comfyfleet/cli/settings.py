"""The command line's settings: one typed object, the only place where its environment is read."""

from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from comfyfleet import names
from comfyfleet.core.errors import Invalid
from comfyfleet.protocol.environment import problems_of
from comfyfleet.up.data_folder import default_data_folder


class CliSettingsInvalid(Invalid):
    """An option or a variable of the environment has no sense."""

    code = "cli_settings_invalid"


class CliSettings(BaseSettings):
    """Where the server is and which key opens it. Options win over the environment."""

    model_config = SettingsConfigDict(
        env_prefix="COMFYFLEET_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    url: str | None = Field(default=None, description="Address of the control plane.", pattern=r"^https?://[^/\s]+/?$")
    api_key: SecretStr | None = Field(default=None, description="API key (cfk_…) to call it with.")
    data: Path = Field(default_factory=default_data_folder, description="Data folder of `comfyfleet up`.")
    comfyui_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("COMFYUI_URL"),
        description="A ComfyUI that runs already, for `up` and `demo`.",
    )

    name_prefix: str = Field(
        default=names.DEFAULT_PREFIX,
        description="What the names of an installation's buckets, parameters and stacks begin with.",
        pattern=r"^[a-z][a-z0-9-]{0,19}$",
    )

    @field_validator("data")
    @classmethod
    def _at_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def load(cls, **options: object) -> Self:
        """Return the settings from the options that were given (not None) and the environment."""
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]  # pydantic checks them
        except ValidationError as error:
            raise CliSettingsInvalid(f"{problems_of(error)}.", hint="See comfyfleet --help for its form.") from error
