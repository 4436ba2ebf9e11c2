"""Secrets: how tokens are made, stored and compared. Only hashes are stored."""

import hmac
import secrets
from hashlib import sha256
from typing import Final

from comfyfleet import names
from comfyfleet.core.errors import Forbidden, Invalid

API_KEY_PREFIX: Final = "cfk"
WORKER_TOKEN_PREFIX: Final = "cfw"
SESSION_PREFIX: Final = "cfs"
MIN_SECRET_LENGTH: Final = 16


class SecretRefused(Invalid):
    """A configured secret is a placeholder or too short."""

    code = "secret_refused"


class SecretNotSet(SecretRefused):
    """A configured secret still is what the template puts there until an operator sets it."""

    code = "secret_not_set"


class FleetSecretWrong(Forbidden):
    """The fleet secret of a registration is not ours."""

    code = "fleet_secret_wrong"


def new_token(prefix: str) -> str:
    """Make a token of 256 random bits whose prefix tells what it opens."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> str:
    """Return what is stored of a token: SHA-256 in hex. Enough for 256 random bits; never for passwords."""
    return sha256(token.encode()).hexdigest()


def same_secret(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def check_secret(name: str, value: str) -> str:
    """Return a configured secret; raise `SecretRefused` for a short one, `SecretNotSet` for a placeholder."""
    if value == names.SECRET_PLACEHOLDER:
        raise SecretNotSet(
            f"{name} still is the placeholder of the template.", hint="Set it to `openssl rand -hex 32`."
        )
    if len(value) < MIN_SECRET_LENGTH:
        raise SecretRefused(
            f"{name} has fewer than {MIN_SECRET_LENGTH} characters.", hint="Set it to `openssl rand -hex 32`."
        )
    return value
