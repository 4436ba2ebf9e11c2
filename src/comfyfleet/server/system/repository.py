"""SQL of the control plane's own state."""

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession


async def describe(session: AsyncSession) -> tuple[str, str, int]:
    """Return the database's version, the revision of its tables, and how many bytes it holds."""
    size = select(func.pg_database_size(func.current_database()))
    version = await session.scalar(select(func.current_setting("server_version")))
    revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return str(version), str(revision), int(await session.scalar(size) or 0)
