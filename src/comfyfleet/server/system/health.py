"""Whether what the control plane depends on answers."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from comfyfleet.cloud.ports import ObjectStore
from comfyfleet.core.wording import size_text
from comfyfleet.protocol.system import HealthView
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.system import repository
from comfyfleet.server.wiring import Wiring

_PATIENCE_SECONDS: Final = 5.0
_ANY_KEY: Final = "health"
"""Nobody stores an object under this key; that there is none is an answer, too."""


async def health(wiring: Wiring) -> list[HealthView]:
    """Ask everything at once; what does not answer within five seconds is not well."""
    settings = wiring.settings
    checks = (
        _checked("Database", lambda: _database(wiring)),
        _checked("Media storage", lambda: _storage(wiring.media, settings.aws_bucket, settings)),
        _checked("Models storage", lambda: _storage(wiring.models, settings.comfyui_models_bucket, settings)),
    )
    return list(await asyncio.gather(*checks))


async def _checked(name: str, ask: Callable[[], Awaitable[str]]) -> HealthView:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            detail, is_ok = await ask(), True
    except TimeoutError:
        detail, is_ok = f"No answer within {_PATIENCE_SECONDS:g} seconds.", False
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what an operator wants to read
        detail, is_ok = f"{type(error).__name__}: {error}"[:500], False
    return HealthView(name=name, is_ok=is_ok, detail=detail, milliseconds=(time.perf_counter() - began) * 1000)


async def _database(wiring: Wiring) -> str:
    async with wiring.sessions.begin() as session:
        version, revision, size = await repository.describe(session)
    return f"Postgres {version}, tables of revision {revision}, {size_text(size)}"


async def _storage(store: ObjectStore, bucket: str | None, settings: ServerSettings) -> str:
    await asyncio.to_thread(store.head, _ANY_KEY)
    return f"bucket {bucket}" if bucket else await asyncio.to_thread(_disk, settings.objects_folder.absolute())


def _disk(folder: Path) -> str:
    made = next(path for path in (folder, *folder.parents) if path.is_dir())
    return f"on disk, in {folder}, where {size_text(shutil.disk_usage(made).free)} are free"
