"""One Postgres for a test session, and fresh databases in it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from comfyfleet.cloud.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a Postgres that lives as long as the session; it may forget when the machine crashes."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    with EmbeddedPostgres(folder, durable=False) as postgres:
        yield postgres.url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """Return the URL of an empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name}"))
    yield f"{postgres_url.rsplit('/', 1)[0]}/{name}"
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
