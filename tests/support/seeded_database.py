"""What a first start makes of an empty database, made once for all tests of a process and copied for each."""

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from comfyfleet.server.settings import ServerSettings

FirstStart = Callable[[ServerSettings], Awaitable[str]]
"""Brings a database up to date and prepares it; returns the administrator's one-time password."""


@dataclass(frozen=True)
class Seed:
    """A database in which a first start has been, the objects that it wrote, and the password that it told."""

    database: str
    folder: Path
    password: str


_seeds: Final[dict[str, Seed]] = {}  # by server


async def is_empty(database_url: str) -> bool:
    """Tell whether nothing has been in a database."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval("SELECT to_regclass('alembic_version') IS NULL") is True
    finally:
        await connection.close()


async def plant(settings: ServerSettings, first_start: FirstStart) -> str:
    """Make an empty database and its folder of objects what a first start makes of them; return the password."""
    database_url = settings.database_url
    seed = _seeds.get(_at(database_url, "")) or await _make(settings, first_start)
    name = urlsplit(database_url).path.lstrip("/")
    await _execute(database_url, f"DROP DATABASE {name}", f"CREATE DATABASE {name} TEMPLATE {seed.database}")
    shutil.copytree(seed.folder, settings.objects_folder, dirs_exist_ok=True)
    return seed.password


async def _make(settings: ServerSettings, first_start: FirstStart) -> Seed:
    name, folder = f"seed_{uuid4().hex}", Path(tempfile.mkdtemp(prefix="seed-"))
    await _execute(settings.database_url, f"CREATE DATABASE {name}")
    url = _at(settings.database_url, name)
    password = await first_start(settings.model_copy(update={"database_url": url, "objects_folder": folder}))
    seed = _seeds[_at(url, "")] = Seed(name, folder, password)
    return seed


async def _execute(database_url: str, *statements: str) -> None:
    connection = await asyncpg.connect(_at(database_url, "postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _at(database_url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlsplit(database_url)._replace(path=f"/{name}").geturl()
