"""One Postgres for a test session, and fresh databases in it."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from comfyfleet.cloud.local.postgres import EmbeddedPostgres

_SLOW: Final = ("tests/lab/", "tests/infrastructure/test_in_the_lab", "tests/infrastructure/test_deploy", "tests/e2e/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that take long among the first three quarters of the others.

    Two fleets of the lab at once are much for two cores, and what is begun last is waited for by all others.
    """
    files = list(dict.fromkeys(item.nodeid.partition("::")[0] for item in items))
    slow = [file for file in files if file.startswith(_SLOW)]
    others = [file for file in files if not file.startswith(_SLOW)]
    step = max(1, len(others) * 3 // 4 // max(1, len(slow)))
    places = {file: (at, 1) for at, file in enumerate(others)} | {file: (at * step, 0) for at, file in enumerate(slow)}
    items.sort(key=lambda item: places[item.nodeid.partition("::")[0]])


class FreshDatabase(Protocol):
    """Makes a database of this test's own, dropped after it."""

    def __call__(self, template: str | None = None) -> str:
        """Return its URL. It is empty, or a copy of the database that the URL `template` names, which nobody uses."""


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a Postgres that lives as long as the session; it may forget when the machine crashes.

    TEST_DATABASE_URL names another server, whose user may create databases. Each worker of pytest-xdist has a server
    of its own.
    """
    if other := os.environ.get("TEST_DATABASE_URL"):
        yield other
        return
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as postgres:
        yield postgres.url


@pytest.fixture
def fresh_database(postgres_url: str) -> Iterator[FreshDatabase]:
    """Return a maker of fresh databases, to be called from tests of either colour."""
    with ExitStack() as undo:

        def make(template: str | None = None) -> str:
            name = f"test_{uuid4().hex}"
            source = "" if template is None else f' TEMPLATE "{urlsplit(template).path.lstrip("/")}"'
            _execute(postgres_url, f"CREATE DATABASE {name}{source}")
            undo.callback(_execute, postgres_url, f"DROP DATABASE {name} WITH (FORCE)")
            return urlsplit(postgres_url)._replace(path=f"/{name}").geturl()

        yield make


@pytest.fixture
def database_url(fresh_database: FreshDatabase) -> str:
    """Return the URL of an empty database of this test's own."""
    return fresh_database()


def _execute(url: str, statement: str) -> None:
    """Execute in a thread, where no event loop runs yet."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _execute_async(url, statement)).result()


async def _execute_async(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
