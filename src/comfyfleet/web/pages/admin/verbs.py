"""A verb on a fleet's machines: its form and its plan, and then its beginning."""

from typing import Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import FleetError, NotFound
from comfyfleet.core.operations import OperationKind
from comfyfleet.server.auth.dependencies import Operator, WiringDep
from comfyfleet.server.bundles import repository as bundles
from comfyfleet.server.bundles import views
from comfyfleet.server.errors import status_of
from comfyfleet.server.fleets import repository, service
from comfyfleet.server.models import Fleet
from comfyfleet.server.workflows import repository as workflows
from comfyfleet.server.workflows.views import workflow_views
from comfyfleet.web.admin import render_admin
from comfyfleet.web.forms import FormInvalid, validated
from comfyfleet.web.notices import done
from comfyfleet.web.operating.desk import Desk
from comfyfleet.web.operating.forms import VerbForm
from comfyfleet.web.operating.verbs import VERBS, Verb
from comfyfleet.web.pages.admin.fleet import path_of
from comfyfleet.web.templating import clean

router = APIRouter(prefix="/admin/comfyui/fleets/{stage}/{slug}/verbs/{name}", include_in_schema=False)

_BUNDLES_TO_CHOOSE: Final = 100


class VerbUnknown(NotFound):
    """Fleets have no such verb."""

    code = "verb_unknown"


@router.get("")
async def show_verb(
    request: Request, stage: str, slug: str, name: str, operator: Operator, wiring: WiringDep
) -> Response:
    """Show a verb's form, and its plan when the form has all that is needed."""
    verb, desk = _verb(name), _desk(request)
    async with wiring.sessions.begin() as session:
        fleet = await service.find(session, clean(stage), clean(slug))
        choices = await _choices(session, verb, fleet, request)
    form, prepared, problem = None, None, None
    given = {**choices.pop("given"), **request.query_params}
    try:
        form = _form(verb, given)
        prepared = await desk.prepare(verb, form, fleet, operator) if form is not None else None
    except FleetError as error:
        problem = error
    context = {
        "fleet": fleet,
        "path": path_of(fleet),
        "name": name,
        "verb": verb,
        "given": {**_defaults(verb), **given},
        "form": form,
        "prepared": prepared,
        "problem": problem,
        "token": uuid4(),
        **choices,
    }
    status = 200 if problem is None else status_of(problem)
    return render_admin(request, operator, "fleets/verb.html", context, status_code=status)


@router.post("")
async def begin_verb(
    request: Request, stage: str, slug: str, name: str, operator: Operator, wiring: WiringDep
) -> Response:
    """Carry out what was planned, and lead to where it can be followed."""
    verb, desk = _verb(name), _desk(request)
    sent = {key: clean(str(value)) for key, value in (await request.form(max_fields=50)).items()}
    token, form = _token(sent.get("token", "")), _form(verb, sent)
    if form is None:
        raise FormInvalid("The form is not whole.", hint="Fill it in and look at the plan.")
    async with wiring.sessions.begin() as session:
        fleet = await service.find(session, clean(stage), clean(slug))
    operation = await desk.begin(verb, form, fleet, operator, token, sent.get("digest", ""))
    if verb.kind in {OperationKind.LAUNCH, OperationKind.STOP}:
        request.app.state.nodes.forget(fleet)
    return done(request, f"/admin/comfyui/operations/{operation.id}", f"{operation.title}: it has begun.")


def _form(verb: Verb, given: dict[str, Any]) -> VerbForm | None:
    """Return the form, or None while nobody has filled in what it needs."""
    wanted = [field for field, its in verb.form.model_fields.items() if its.is_required()]
    if any(not given.get(field) for field in wanted):
        return None
    return validated(verb.form, **{key: value for key, value in given.items() if value != ""})


def _defaults(verb: Verb) -> dict[str, Any]:
    fields = verb.form.model_fields.items()
    return {name: "" if its.is_required() else its.get_default(call_default_factory=True) for name, its in fields}


def _verb(name: str) -> Verb:
    if name not in VERBS:
        raise VerbUnknown(f"Fleets have no verb '{name[:40]}'.", hint="See the fleet's page.")
    return VERBS[name]


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _token(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise FormInvalid("The form has no token.", hint="Look at the plan again.") from None


async def _choices(session: AsyncSession, verb: Verb, fleet: Fleet, request: Request) -> dict[str, Any]:
    """Return what can be chosen, and with what the form begins."""
    choices: dict[str, Any] = {"given": {}}
    if verb.kind in {OperationKind.BAKE, OperationKind.APPLY}:
        newest, _ = await bundles.newest(session, limit=_BUNDLES_TO_CHOOSE, offset=0)
        choices["bundles"] = [views.reference(bundle) for bundle in newest]
        choices["active"] = str(fleet.active_bundle_id) if fleet.active_bundle_id else ""
        choices["given"] = {"bundle": choices["active"]}
    if verb.kind is OperationKind.ROLL:
        choices["served"] = await repository.workflows_of(session, fleet.id)
        found = await workflows.by_slugs(session, [request.query_params.get("workflow", "")])
        choices["tested"] = (await workflow_views(session, list(found.values())))[0] if found else None
    return choices
