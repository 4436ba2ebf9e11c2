"""The operators' search over the jobs of all tenants."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import NotFound
from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.search_words import words_query
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.jobs import JobRow
from comfyfleet.server.jobs import search_repository as repository


class FilterUnknown(NotFound):
    """A list is to show what belongs to something that does not exist."""

    code = "filter_unknown"


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are looked for: by words or a number, and by exact names; a fleet's is `stage/slug`."""

    q: str = ""
    status: JobStatus | None = None
    fleet: str | None = None
    effect: str | None = None
    tenant: str | None = None
    worker: str | None = None


async def search(session: AsyncSession, wanted: JobFilter, *, before: int | None, limit: int) -> Page[JobRow]:
    """Return a page of jobs, newest first.

    A number is a job's id. Anything else is looked for in the names of tenants and effects, in the ids of workers, and
    as words, the last of which may be a beginning, in errors, texts that users typed and the names of their files.

    Raises:
        FilterUnknown: There is no tenant, effect, fleet or worker of that name.
    """
    text = wanted.q.replace("\x00", "").strip()
    only = repository.Wanted(only=await _named(session, wanted), status=wanted.status)
    number = text.removeprefix("#")
    if number.isdecimal():
        ids = await repository.numbered(session, only, int(number))
        return Page(items=await _rows(session, ids))
    looked_for = only if not text else await _mentioned(session, only, text)
    ids = await repository.newest(session, looked_for, before=before, limit=limit)
    return Page(items=await _rows(session, ids), next_before=ids[-1] if len(ids) == limit else None)


async def _named(session: AsyncSession, wanted: JobFilter) -> repository.Ids:
    stage, _, slug = (wanted.fleet or "").partition("/")
    ids = await repository.named(
        session,
        tenant=wanted.tenant,
        effect=wanted.effect,
        fleet=None if wanted.fleet is None else (stage, slug),
        worker=wanted.worker,
    )
    for kind, name, found in (
        ("tenant", wanted.tenant, ids.tenants),
        ("effect", wanted.effect, ids.effects),
        ("fleet", wanted.fleet, ids.fleets),
        ("worker", wanted.worker, ids.workers),
    ):
        if found is not None and not found:
            raise FilterUnknown(f"There is no {kind} '{name}'.", hint=f"Leave the {kind} out, or correct it.")
    return ids


async def _mentioned(session: AsyncSession, only: repository.Wanted, text: str) -> repository.Wanted:
    return replace(only, words=words_query(text), any_of=await repository.mentioning(session, text))


async def _rows(session: AsyncSession, ids: Sequence[int]) -> list[JobRow]:
    return [JobRow.model_validate(dict(row)) for row in await repository.rows(session, ids)]
