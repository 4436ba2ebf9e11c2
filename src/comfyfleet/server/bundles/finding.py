"""Which bundle, and which of its entries, somebody means."""

import re
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.bundles import Entry
from comfyfleet.core.errors import Conflict, NotFound
from comfyfleet.server.bundles import repository
from comfyfleet.server.models import Bundle

_ID_BEGINNING: Final = re.compile(r"[0-9a-f]{4}[0-9a-f-]{0,32}")
_DIGEST_BEGINNING: Final = re.compile(r"[0-9a-f]{8,64}")


class BundleNotFound(NotFound):
    """No such bundle."""

    code = "bundle_not_found"


class BundleAmbiguous(Conflict):
    """Several bundles have an id that begins so."""

    code = "bundle_ambiguous"


class EntryNotFound(NotFound):
    """The bundle has no such asset."""

    code = "entry_not_found"


class EntryAmbiguous(Conflict):
    """Several assets of the bundle have that name."""

    code = "entry_ambiguous"


async def find(session: AsyncSession, reference: str) -> Bundle:
    """Return a bundle with its entries, by id, `name`, `name@version`, or the unique beginning of its id.

    A name alone means its newest version.

    Raises:
        BundleNotFound: There is none.
        BundleAmbiguous: Several ids begin so.
    """
    is_text = reference.isprintable()  # Postgres refuses NUL
    bundle = await _by_id(session, reference) or (await _by_name(session, reference) if is_text else None)
    if bundle is not None:
        return bundle
    ids = await repository.ids_beginning_with(session, reference) if _ID_BEGINNING.fullmatch(reference) else []
    if len(ids) > 1:
        raise BundleAmbiguous(
            f"Several bundles have an id that begins with '{reference}': {', '.join(map(str, ids))}.",
            hint="Write more of the id.",
        )
    bundle = await repository.by_id(session, ids[0]) if ids else None
    if bundle is None:
        raise BundleNotFound(
            f"There is no bundle '{reference[:120]}'.",
            hint="List them with `comfyfleet bundles list`; name one by id, name or name@version.",
        )
    return bundle


def matching(entries: list[Entry], reference: str) -> list[Entry]:
    """Return the entries that are meant: by target path, asset id, digest (8 digits or more of it) or file name.

    Raises:
        EntryNotFound: There is none.
        EntryAmbiguous: The name stands for different assets.
    """
    ways = (
        lambda entry: entry.target_path == reference,
        lambda entry: str(entry.asset_id) == reference,
        lambda entry: _DIGEST_BEGINNING.fullmatch(reference) is not None and entry.sha256.startswith(reference),
        lambda entry: entry.original_filename == reference,
        lambda entry: entry.target_path.rsplit("/", 1)[-1] == reference,
    )
    for is_meant in ways:
        found = [entry for entry in entries if is_meant(entry)]
        if len({entry.sha256 for entry in found}) > 1:
            places = ", ".join(entry.target_path for entry in found[:10])
            raise EntryAmbiguous(
                f"'{reference[:120]}' stands for several assets of the bundle: {places}.", hint="Name a target path."
            )
        if found:
            return found
    raise EntryNotFound(
        f"The bundle has no asset '{reference[:120]}'.", hint="`comfyfleet bundles show` lists what it has."
    )


async def _by_id(session: AsyncSession, reference: str) -> Bundle | None:
    try:
        return await repository.by_id(session, UUID(reference))
    except ValueError:
        return None


async def _by_name(session: AsyncSession, reference: str) -> Bundle | None:
    name, at, version = reference.rpartition("@")
    if not at:
        return await repository.by_name(session, reference)
    return await repository.by_name(session, name, int(version)) if re.fullmatch(r"[0-9]{1,9}", version) else None
