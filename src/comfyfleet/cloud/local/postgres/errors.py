"""What can go wrong with a Postgres of our own."""

from comfyfleet.core.errors import Conflict, Unavailable


class PostgresFailed(Unavailable):
    """One of Postgres's programs failed; the message holds the end of what it said."""

    code = "postgres_failed"


class PostgresVersionDiffers(Conflict):
    """The data were written by another major version."""

    code = "postgres_version_differs"
