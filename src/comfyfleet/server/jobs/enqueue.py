"""Accepting a job."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.effects import resolve_values
from comfyfleet.core.errors import Conflict, Invalid
from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.payloads import fill
from comfyfleet.core.properties import Property, PropertyType, Scalar
from comfyfleet.core.search_words import words_of
from comfyfleet.core.workflows import WorkflowSpec
from comfyfleet.protocol.api import NewJob
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.effects import service as effects
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.jobs import admission, repository
from comfyfleet.server.models import Effect, Job, Upload
from comfyfleet.server.uploads import service as uploads
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workflows.service import spec_of


class IdempotencyMismatch(Conflict):
    """The key was used for another submission."""

    code = "idempotency_mismatch"


class WrongFileType(Invalid):
    """An upload is of another type than its property."""

    code = "wrong_file_type"


async def enqueue(
    wiring: Wiring, principal: Principal, new: NewJob, idempotency_key: str | None, *, test_on: int | None = None
) -> tuple[Job, bool]:
    """Accept a job and reserve its credits, in one transaction. Return it, and whether it is new.

    `test_on` is the id of the fleet for a test run, whose effect is one that no list shows.

    Raises:
        CreditsInsufficient: The tenant has too few credits; there is no job then.
        TooManyOpenJobs: It has as many open jobs as it may have.
        IdempotencyMismatch: The key came before with another submission.
    """
    async with wiring.sessions.begin() as session:
        seen = await _seen(session, principal, new, idempotency_key)
        if seen is not None:
            return seen, False
        effect = await _effect(session, new, test_on)
    files = await _stored_files(wiring, principal, effect, new)
    async with wiring.sessions.begin() as session:
        effect = await _effect(session, new, test_on)
        fleet_id = test_on or await fleets.serving(session, wiring.settings.stage, effect.workflow_id)
        await credit_service.lock(session, principal.tenant_id)
        seen = await _seen(session, principal, new, idempotency_key)
        if seen is not None:
            return seen, False
        await admission.check(session, principal.tenant_id, effect.credits_cost)
        job = _make(wiring, principal, effect, fleet_id, new, files, idempotency_key)
        await admission.admit(session, job)
    return job, True


async def check(wiring: Wiring, principal: Principal, new: NewJob, *, test_on: int) -> None:
    """Raise what `enqueue` would raise of a test run's values and files, and queue nothing."""
    async with wiring.sessions.begin() as session:
        effect = await _effect(session, new, test_on)
    await _stored_files(wiring, principal, effect, new)
    spec = _spec(effect)
    fill(spec, resolve_values(spec.properties, effect.property_overrides, new.values))


async def _seen(session: AsyncSession, principal: Principal, new: NewJob, key: str | None) -> Job | None:
    job = await repository.by_idempotency_key(session, principal.tenant_id, key) if key else None
    if job is not None and job.request_hash != _hash(new):
        raise IdempotencyMismatch(
            f"The idempotency key was used for job {job.id} with other values.", hint="Use a new key."
        )
    return job


async def _stored_files(wiring: Wiring, principal: Principal, effect: Effect, new: NewJob) -> dict[str, Upload]:
    properties = _spec(effect).properties
    values = resolve_values(properties, effect.property_overrides, new.values)
    file_properties = [prop for prop in properties if prop.type.is_file and prop.key in values]
    found = await uploads.require_stored(wiring, principal, {str(values[prop.key]) for prop in file_properties})
    files = {prop.key: found[str(values[prop.key])] for prop in file_properties}
    for prop in file_properties:
        _check_type(prop, files[prop.key])
    return files


def _check_type(prop: Property, upload: Upload) -> None:
    major = upload.content_type.split("/", 1)[0]
    is_gif = prop.type is PropertyType.VIDEO and upload.content_type == "image/gif"
    if major != prop.type.value and not is_gif:
        raise WrongFileType(
            f"'{prop.label or prop.key}' takes {prop.type.value}, and '{upload.filename}' is {upload.content_type}.",
            hint=f"Upload a file of type {prop.type.value}.",
        )


def _spec(effect: Effect) -> WorkflowSpec:
    """Return what an effect runs; who tries a workflow may set all of its properties."""
    spec = spec_of(effect.workflow)
    if not effect.is_test:
        return spec
    return replace(spec, properties=tuple(replace(prop, user_configurable=True) for prop in spec.properties))


async def _effect(session: AsyncSession, new: NewJob, test_on: int | None) -> Effect:
    find = effects.find_active if test_on is None else effects.find_test
    return await find(session, new.effect)


def _make(
    wiring: Wiring,
    principal: Principal,
    effect: Effect,
    fleet_id: int,
    new: NewJob,
    files: Mapping[str, Upload],
    idempotency_key: str | None,
) -> Job:
    now = wiring.clock()
    spec = _spec(effect)
    values = resolve_values(spec.properties, effect.property_overrides, new.values)
    payload = fill(spec, values)
    shown = _shown(spec.properties, values)
    return Job(
        tenant_id=principal.tenant_id,
        effect=effect,
        fleet_id=fleet_id,
        status=JobStatus.QUEUED,
        idempotency_key=idempotency_key,
        request_hash=_hash(new),
        priority=new.priority,
        values=shown,
        words=words_of(_texts(shown, files), [file.filename for file in files.values()]),
        graph=payload.graph,
        files=[asdict(file) | _described(files[file.key]) for file in payload.files],
        output_node_id=spec.output_node_id,
        output_extension=spec.output_extension,
        output_mime_type=spec.output_mime_type,
        credits_cost=effect.credits_cost,
        attempt=0,
        max_attempts=wiring.settings.max_attempts,
        progress=0.0,
        is_cancel_requested=False,
        queued_at=now,
        available_at=now,
    )


def _shown(properties: tuple[Property, ...], values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    configurable = {prop.key for prop in properties if prop.user_configurable}
    return {key: value for key, value in values.items() if key in configurable}


def _texts(values: Mapping[str, Scalar], files: Mapping[str, Upload]) -> list[str]:
    return [value for key, value in values.items() if isinstance(value, str) and key not in files]


def _described(upload: Upload) -> dict[str, str | int]:
    return {
        "object_key": upload.object_key,
        "filename": upload.filename,
        "content_type": upload.content_type,
        "size": upload.size,
    }


def _hash(new: NewJob) -> str:
    return sha256(json.dumps(new.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
