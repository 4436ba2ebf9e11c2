"""The settings in effect, in groups, without any secret."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from comfyfleet.protocol.system import SettingGroup, SettingView
from comfyfleet.server.settings import ServerSettings

_GROUPS: Final = (
    ("Media storage", ("aws_", "objects_", "max_upload_", "upload_url_", "download_url_")),
    ("Models and logs storage", ("comfyui_models_", "comfyui_logs_")),
    ("Imports", ("import_",)),
    ("Jobs and workers", ("comfyui_fleet_", "lease_", "max_attempts", "worker_", "poll_", "maintenance_")),
    ("Metrics", ("metrics_", "attention_")),
)
_REST: Final = "Control plane"
_SECRET_ENDINGS: Final = ("_access_key_id",)


def groups_of(settings: ServerSettings) -> list[SettingGroup]:
    """Return every setting once, in groups; the first holds what belongs to no other."""
    members: dict[str, list[SettingView]] = {_REST: [], **{name: [] for name, _ in _GROUPS}}
    for name, field in ServerSettings.model_fields.items():
        members[_group_of(name)].append(_view(settings, name, field))
    return [SettingGroup(name=name, settings=views) for name, views in members.items() if views]


def _group_of(name: str) -> str:
    return next((group for group, beginnings in _GROUPS if name.startswith(beginnings)), _REST)


def _view(settings: ServerSettings, name: str, field: FieldInfo) -> SettingView:
    value = getattr(settings, name)
    is_secret = isinstance(value, SecretStr) or "SecretStr" in str(field.annotation) or name.endswith(_SECRET_ENDINGS)
    is_default = not field.is_required() and value == field.get_default(call_default_factory=True)
    return SettingView(
        variable=name.upper(),
        description=field.description or "",
        value=None if is_secret or value is None else _shown(value),
        is_set=value is not None,
        is_secret=is_secret,
        is_default=is_default,
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return _without_credentials(str(value)) if "://" in str(value) else str(value)


def _without_credentials(address: str) -> str:
    """Return an address with neither a password nor a query, where some carry one, too."""
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    netloc = f"{name}{':•••' if colon else ''}{at}{host}"
    return urlunsplit((parts.scheme, netloc, parts.path, "•••" if parts.query else "", ""))
