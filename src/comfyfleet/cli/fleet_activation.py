"""`comfyfleet fleets activate, deactivate`: the bundle that a fleet points to, in the database and for machines."""

from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli.bundle_tables import name_of
from comfyfleet.cli.bundles import open_bundles
from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.fleet_bundles import Slug, Stage
from comfyfleet.cli.options import JsonFlag, YesFlag
from comfyfleet.cli.output import print_json, say
from comfyfleet.cli.verbs import DryRun, agreed
from comfyfleet.client.bundles import BundlePlane
from comfyfleet.ops.tools import Plan
from comfyfleet.protocol.bundles import BundleView, PointerView
from comfyfleet.protocol.fleets import FleetPointerView

OneBundle = Annotated[str, typer.Argument(metavar="BUNDLE", help="Its name (the newest), name@version, or id.")]


class Activation(PointerView):
    """Where a fleet points to now, and what its machines are told."""

    pointer: FleetPointerView


def activate(
    context: typer.Context,
    slug: Slug,
    bundle: OneBundle,
    stage: Stage = names.LOCAL_STAGE,
    dry_run: DryRun = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Point a fleet to a bundle, and see that database and parameter agree. Ends with 1 when they do not.

    What the fleet's workflows need and the bundle lacks is told first; --yes accepts it. A parameter that says another
    thing than the database is told, and written again.
    """
    with open_bundles(context) as plane:
        wanted = plane.bundle(bundle)
        coverage = plane.coverage(stage, slug, wanted.bundle_id)
        told = plane.pointer(stage, slug)
        plan = _plan(told, wanted, coverage.lacking)
        if agreed(plan, dry_run=dry_run, yes=yes or not plan.steps, as_json=as_json):
            view = plane.activate(stage, slug, wanted.bundle_id, accept_missing=bool(coverage.lacking))
            _finish(plane, stage, slug, view, as_json=as_json)


def deactivate(
    context: typer.Context,
    slug: Slug,
    stage: Stage = names.LOCAL_STAGE,
    dry_run: DryRun = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Point a fleet to no bundle: machines that boot from now on install none."""
    with open_bundles(context) as plane:
        plan = _plan(plane.pointer(stage, slug), None, [])
        if agreed(plan, dry_run=dry_run, yes=yes or not plan.steps, as_json=as_json):
            _finish(plane, stage, slug, plane.activate(stage, slug, None), as_json=as_json)


def _plan(told: FleetPointerView, bundle: BundleView | None, lacking: list[str]) -> Plan:
    """Return what will be written; nothing, where both say it already."""
    wanted = names.NO_BUNDLE if bundle is None else names.bundle_prefix(bundle.bundle_id)
    target = "no bundle" if bundle is None else f"{name_of(bundle)} ({wanted})"
    steps = [] if told.wanted == wanted else [f"Write {wanted} into the database, which says {told.wanted}"]
    if told.found != wanted:
        steps.append(f"Write {wanted} into {told.parameter}, which {_found(told)}")
    warnings = [f"It lacks what the workflows need: {line}" for line in lacking if steps]
    if not told.agrees:
        warnings.append(f"The database says {told.wanted} now, and {told.parameter} {_found(told)}")
    if told.problem:
        warnings.append(f"The parameter: {told.problem}")
    return Plan(title=f"Point the fleet {told.fleet} to {target}", steps=tuple(steps), warnings=tuple(warnings))


def _found(told: FleetPointerView) -> str:
    return "is not there" if told.found is None else f"says {told.found}"


def _finish(plane: BundlePlane, stage: str, slug: str, view: PointerView, *, as_json: bool) -> None:
    """Compare what is told to machines with the database, mend it where it differs, and tell both."""
    told = plane.pointer(stage, slug)
    if not told.agrees:
        told = plane.mend_pointer(stage, slug)
    if as_json:
        print_json(Activation(**view.model_dump(), pointer=told))
    else:
        verb = "now points" if view.changed else "pointed already"
        target = "no bundle" if view.bundle is None else f"{name_of(view.bundle)} ({view.prefix})"
        say(f"Fleet {view.fleet} {verb} to {target}.")
        _tell(told)
    if not told.agrees:
        raise typer.Exit(ExitCode.FAILED)


def _tell(told: FleetPointerView) -> None:
    if told.agrees:
        say(f"Machines are told so: {told.parameter} says {told.found}.")
        return
    say(f"The database is right, and the parameter is not: {told.parameter} {_found(told)}.")
    say(f"{told.problem or 'It was changed meanwhile.'} The control plane tries again; see comfyfleet fleets pointer.")
