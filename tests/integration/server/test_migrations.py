"""The database goes from empty to now, and tables and models agree."""

from alembic import command
from alembic.script import ScriptDirectory

from comfyfleet.server.db import make_engine
from comfyfleet.server.migrate import alembic_config, migrate


async def test_an_empty_database_is_migrated_and_agrees_with_the_models(database_url: str) -> None:
    engine = make_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    await migrate(engine)
    await migrate(engine)
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: command.check(alembic_config(sync)))
        heads = await connection.run_sync(lambda sync: ScriptDirectory.from_config(alembic_config(sync)).get_heads())
        await connection.rollback()
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "base"))
        await connection.commit()
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
        await connection.commit()
    await engine.dispose()
    assert len(heads) == 1
