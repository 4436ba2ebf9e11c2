"""The one place where the control plane chooses its adapters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from comfyfleet import names
from comfyfleet.cloud.aws.figures import CloudWatchFigures
from comfyfleet.cloud.aws.groups import AutoScalingGroups
from comfyfleet.cloud.aws.parameters import SsmParameters
from comfyfleet.cloud.aws.parts import S3PartStore
from comfyfleet.cloud.aws.s3 import S3ObjectStore, make_s3_client
from comfyfleet.cloud.fleet_ports import Figures, Groups, ParameterStore
from comfyfleet.cloud.local.figures import DiskFigures
from comfyfleet.cloud.local.objects import DiskObjectStore
from comfyfleet.cloud.local.parameters import DiskParameters
from comfyfleet.cloud.local.parts import DiskPartStore
from comfyfleet.cloud.ports import ObjectIndex, ObjectStore, PartStore
from comfyfleet.server.db import Sessions, make_engine, make_sessions
from comfyfleet.server.notifier import Notifier
from comfyfleet.server.settings import ServerSettings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


@dataclass
class Wiring:
    """What requests and background tasks share."""

    settings: ServerSettings
    engine: AsyncEngine
    sessions: Sessions
    notifier: Notifier
    media: ObjectStore
    models: ObjectStore
    media_parts: PartStore
    model_parts: PartStore
    model_index: ObjectIndex
    parameters: ParameterStore
    figures: Figures
    groups: Groups | None = None
    disk_stores: dict[str, DiskObjectStore] = field(default_factory=dict)
    clock: Clock = utc_now


def wire(settings: ServerSettings, clock: Clock = utc_now) -> Wiring:
    """Choose an adapter for every port, by the settings."""
    engine = make_engine(settings.sqlalchemy_url)
    disk_stores: dict[str, DiskObjectStore] = {}
    media = _media_store(settings, disk_stores)
    models = _models_store(settings, disk_stores)
    media_parts, model_parts = _parts_of(media), _parts_of(models)
    return Wiring(
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        notifier=Notifier(settings.sqlalchemy_url),
        media=media,
        models=models,
        media_parts=media_parts,
        model_parts=model_parts,
        model_index=model_parts,
        parameters=_parameters(settings),
        figures=_figures(settings),
        groups=AutoScalingGroups() if settings.cloud == "aws" else None,
        disk_stores=disk_stores,
        clock=clock,
    )


def _parameters(settings: ServerSettings) -> ParameterStore:
    return SsmParameters() if settings.cloud == "aws" else DiskParameters(_state_folder(settings))


def _figures(settings: ServerSettings) -> Figures:
    return CloudWatchFigures() if settings.cloud == "aws" else DiskFigures(_state_folder(settings) / "figures.sqlite")


def _state_folder(settings: ServerSettings) -> Path:
    return settings.state_folder or settings.objects_folder.absolute().parent / "state"


def _parts_of(store: S3ObjectStore | DiskObjectStore) -> S3PartStore | DiskPartStore:
    return S3PartStore(store) if isinstance(store, S3ObjectStore) else DiskPartStore(store)


def _media_store(settings: ServerSettings, disk_stores: dict[str, DiskObjectStore]) -> S3ObjectStore | DiskObjectStore:
    if settings.aws_bucket is None:
        return _disk_store(names.MEDIA_DISK, settings, disk_stores)
    endpoint, key, secret = settings.aws_endpoint_url, settings.aws_access_key_id, settings.aws_secret_access_key
    return _s3_store(settings.aws_bucket, settings, endpoint, key, secret)


def _models_store(settings: ServerSettings, disk_stores: dict[str, DiskObjectStore]) -> S3ObjectStore | DiskObjectStore:
    if settings.comfyui_models_bucket is None:
        return _disk_store(settings.comfyui_models_disk, settings, disk_stores)
    return _s3_store(
        settings.comfyui_models_bucket,
        settings,
        settings.comfyui_models_endpoint_url,
        settings.comfyui_models_access_key_id,
        settings.comfyui_models_secret_access_key,
    )


def _disk_store(name: str, settings: ServerSettings, disk_stores: dict[str, DiskObjectStore]) -> DiskObjectStore:
    store = DiskObjectStore(settings.objects_folder, name, settings.app_key.get_secret_value().encode())
    disk_stores[name] = store
    return store


def _s3_store(
    bucket: str, settings: ServerSettings, endpoint_url: str | None, key_id: str | None, secret: SecretStr | None
) -> S3ObjectStore:
    client = make_s3_client(
        endpoint_url=endpoint_url,
        region=settings.aws_default_region,
        access_key_id=key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
    )
    return S3ObjectStore(bucket, client)
