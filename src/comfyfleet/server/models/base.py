"""What all tables share: names of constraints, and the types of common columns."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import DeclarativeBase, mapped_column

MAX_BIG_ID: Final = 2**63 - 1
"""What a `BigId` can be at most; Postgres refuses to compare it with more."""

BigId = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
UuidId = Annotated[UUID, mapped_column(Uuid(), primary_key=True, server_default=text("gen_random_uuid()"))]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
MaybeInstant = Annotated[datetime | None, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


class Base(DeclarativeBase):
    """All tables. Times are UTC; `JSON` keeps the order of keys, which a workflow's author may care about."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON, list[Any]: JSON}
