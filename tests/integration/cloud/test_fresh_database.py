"""Databases for tests are fresh, are copies where asked for, and go away."""

import asyncio
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest


@pytest.fixture
def urls(postgres_url: str) -> Iterator[list[str]]:
    """A list of databases that must be gone when the test is over; to be asked for before `fresh_database`."""
    made: list[str] = []
    yield made
    assert made
    names = [row["datname"] for row in asyncio.run(fetch(postgres_url, "SELECT datname FROM pg_database"))]
    assert not [url for url in made if urlsplit(url).path.lstrip("/") in names]


async def fetch(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


async def test_a_database_is_empty_or_a_copy_of_its_template(
    urls: list[str], fresh_database: Callable[..., str]
) -> None:
    template = fresh_database()
    await fetch(template, "CREATE TABLE kept AS SELECT 7 AS value")
    copy, empty = fresh_database(template=template), fresh_database()
    urls.extend([template, copy, empty])
    assert [row["value"] for row in await fetch(copy, "SELECT value FROM kept")] == [7]
    assert await fetch(empty, "SELECT 1 FROM pg_tables WHERE tablename = 'kept'") == []
