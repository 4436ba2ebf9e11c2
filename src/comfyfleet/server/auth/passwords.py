"""Passwords: Argon2id, hashed in a thread because one hash takes tens of milliseconds."""

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

_HASHER: Final = PasswordHasher()
_NOBODY: Final = _HASHER.hash(secrets.token_urlsafe(16))


async def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password."""
    return await asyncio.to_thread(_HASHER.hash, password)


async def is_password(password: str, password_hash: str | None) -> bool:
    """Tell whether the password fits; without a hash it takes as long and is false."""
    fits = await asyncio.to_thread(_verify, password_hash or _NOBODY, password)
    return fits and password_hash is not None


def new_one_time_password() -> str:
    """Make a password of 96 random bits to hand over."""
    return secrets.token_urlsafe(12)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
