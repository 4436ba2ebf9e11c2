"""The picture or clip by which the catalogue shows an effect."""

import asyncio
from hashlib import sha256
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.cloud.ports import SignedRequest
from comfyfleet.core.errors import Invalid
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.effects.service import find
from comfyfleet.server.models import Effect
from comfyfleet.server.wiring import Wiring

MAX_PREVIEW_BYTES: Final = 32 * 2**20
PREVIEW_TYPES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4", "video/webm")
_LASTS_SECONDS: Final = 3600


class PreviewInvalid(Invalid):
    """The file is no picture or clip that can be shown, or too large."""

    code = "preview_invalid"


async def store(wiring: Wiring, principal: Principal, slug: str, content: bytes, content_type: str) -> Effect:
    """Keep a file as an effect's preview, in the place of the one that it has."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in PREVIEW_TYPES:
        raise PreviewInvalid(f"A preview cannot be '{kind[:80]}'.", hint=f"Use one of: {', '.join(PREVIEW_TYPES)}.")
    if not 0 < len(content) <= MAX_PREVIEW_BYTES:
        raise PreviewInvalid(f"The preview has {len(content):,} bytes.", hint=f"Use at most {MAX_PREVIEW_BYTES:,}.")
    async with wiring.sessions.begin() as session:
        key = names.preview_key((await find(session, slug)).slug, sha256(content).hexdigest())
    await asyncio.to_thread(wiring.media.write, key, content, content_type=kind)
    async with wiring.sessions.begin() as session:
        effect = await find(session, slug)
        old, effect.preview_key, effect.preview_type = effect.preview_key, key, kind
        await audit.record(session, principal, "effect.preview", effect.slug, {"type": kind, "bytes": len(content)})
    if old not in {None, key}:
        await asyncio.to_thread(wiring.media.delete, old)
    return effect


async def signed(session: AsyncSession, wiring: Wiring, slug: str) -> SignedRequest | None:
    """Sign the request for an effect's preview; None while it has none of its own."""
    effect = await find(session, slug)
    if effect.preview_key is None:
        return None
    return wiring.media.sign_get(effect.preview_key, expires_seconds=_LASTS_SECONDS)
