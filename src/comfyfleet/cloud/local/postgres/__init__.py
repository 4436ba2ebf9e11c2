"""A Postgres of our own, from a wheel, for one machine."""

from comfyfleet.cloud.local.postgres.errors import PostgresFailed, PostgresVersionDiffers
from comfyfleet.cloud.local.postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "PostgresFailed", "PostgresVersionDiffers"]
