"""`comfyfleet fleets assign`: which workflows a fleet serves."""

from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli.bundle_tables import name_of
from comfyfleet.cli.bundles import open_bundles
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.fleet_bundles import Slug, Stage
from comfyfleet.cli.options import JsonFlag, YesFlag
from comfyfleet.cli.output import print_json, say
from comfyfleet.cli.verbs import DryRun, agreed
from comfyfleet.client.bundles import BundlePlane
from comfyfleet.ops.tools import Plan
from comfyfleet.protocol.api import FleetView


def assign(
    context: typer.Context,
    slug: Slug,
    workflows: Annotated[list[str], typer.Argument(help="Slugs of all workflows that it shall serve.")],
    stage: Stage = names.LOCAL_STAGE,
    keep: Annotated[bool, typer.Option("--keep", help="Keep those that it serves already.")] = False,
    dry_run: DryRun = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Say which workflows a fleet serves. What is not named is taken from it, unless --keep is given.

    It asks before it takes a workflow away, and says afterwards what the fleet's bundle lacks for those that it serves.
    """
    with open_bundles(context) as plane:
        served = _fleet(plane, stage, slug).workflows
        wanted = list(dict.fromkeys([*served, *workflows] if keep else workflows))
        plan = _plan(f"{stage}/{slug}", served, wanted)
        if not agreed(plan, dry_run=dry_run, yes=yes or not plan.warnings, as_json=as_json):
            return
        view = plane.assign_workflows(stage, slug, wanted)
        if as_json:
            print_json(view)
            return
        say(f"Fleet '{view.slug}' serves: {', '.join(view.workflows)}.")
        _tell_coverage(plane, stage, slug)


def _plan(fleet: str, served: list[str], wanted: list[str]) -> Plan:
    steps = [f"Let it serve {workflow}" for workflow in wanted if workflow not in served]
    lost = [workflow for workflow in served if workflow not in wanted]
    return Plan(
        title=f"Let the fleet {fleet} serve: {', '.join(wanted)}",
        steps=(*steps, *(f"Take {workflow} from it" for workflow in lost)),
        warnings=tuple(
            f"New jobs of {workflow} go to it no more; those that wait are still rendered" for workflow in lost
        ),
    )


def _tell_coverage(plane: BundlePlane, stage: str, slug: str) -> None:
    """Say what the active bundle lacks: a shared fleet's bundle has to be enough for all of its workflows."""
    coverage = plane.coverage(stage, slug)
    if coverage.lacking:
        say(f"Its bundle ({name_of(coverage.bundle)}) lacks, so activate one that has them:")
        for line in coverage.lacking:
            say(f"  {line}")


def _fleet(plane: BundlePlane, stage: str, slug: str) -> FleetView:
    fleets = plane.fleets()
    for fleet in fleets:
        if (fleet.stage, fleet.slug) == (stage, slug):
            return fleet
    known = ", ".join(f"{fleet.slug} ({fleet.stage})" for fleet in fleets) or "none"
    raise UsageProblem(f"There is no fleet '{slug}' of stage '{stage}'.", hint=f"The fleets are: {known}.")
