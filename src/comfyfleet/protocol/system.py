"""Wire models of the control plane's own state."""

from pydantic import BaseModel


class SettingView(BaseModel):
    """A setting in effect. Of a secret, only whether it is set: `value` is null."""

    variable: str
    description: str
    value: str | None
    is_set: bool
    is_secret: bool
    is_default: bool


class SettingGroup(BaseModel):
    """Settings that belong together."""

    name: str
    settings: list[SettingView]


class HealthView(BaseModel):
    """Whether something that the control plane depends on answers, and how fast."""

    name: str
    is_ok: bool
    detail: str
    milliseconds: float


class SystemView(BaseModel):
    """The control plane: its version, its settings, and the health of what it depends on."""

    version: str
    stage: str
    health: list[HealthView]
    groups: list[SettingGroup]
