"""`comfyfleet fleets roll, rolls`: the replacement of a fleet's machines."""

from pathlib import Path
from typing import Annotated

import typer

from comfyfleet.cli.cloud import DEFAULT_STAGE, CloudStage, Region, open_cloud
from comfyfleet.cli.errors import ExitCode, UsageProblem
from comfyfleet.cli.fleet_bundles import Slug
from comfyfleet.cli.options import JsonFlag, YesFlag
from comfyfleet.cli.output import print_record, say
from comfyfleet.cli.rendering import upload_file
from comfyfleet.cli.reporting import LineReporter
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.cli.values import read_inputs
from comfyfleet.cli.verbs import DryRun, VerbReporter, agreed, print_document
from comfyfleet.cli.workflow_versions import as_effect
from comfyfleet.core.properties import Scalar
from comfyfleet.ops import roll as rolling
from comfyfleet.ops.canary import OperatorPlane, PlaneBench, RenderProof
from comfyfleet.ops.roll import RollOrder, RollPlan, RollReceipt

TestWorkflow = Annotated[
    str | None,
    typer.Option("--test-workflow", metavar="SLUG", help="Workflow that the first new machine has to render."),
]
InputFile = Annotated[
    Path | None, typer.Option("--input", "-i", metavar="FILE", help="The file that the test works on.")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="A property; KEY=@FILE takes a file.")
]
CanarySeconds = Annotated[
    int, typer.Option("--canary-seconds", min=60, max=172800, help="Time for the first machine to prove itself.")
]
MinHealthy = Annotated[
    int, typer.Option("--min-healthy", min=0, max=100, help="Percentage of machines that have to be healthy.")
]
BackTo = Annotated[
    str | None, typer.Option("--back-to", metavar="AMI", help="Image to go back to; else that of the machines.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it, or only start it, without a test.")]


def roll(
    context: typer.Context,
    slug: Slug,
    stage: CloudStage = DEFAULT_STAGE,
    workflow: TestWorkflow = None,
    input_file: InputFile = None,
    assignments: Assignments = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Let no machine prove itself.")] = False,
    canary_seconds: CanarySeconds = 1200,
    min_healthy: MinHealthy = 90,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="Seconds that a new machine has to come up.")] = 300,
    back_to: BackTo = None,
    wait: Wait = True,
    region: Region = None,
    dry_run: DryRun = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Replace a fleet's machines by such of its present image: one first, which has to render a job; then the others.

    When the first fails, or is not registered in time, the old image comes back by itself. Machines finish their jobs.
    """
    if wait and not no_test and workflow is None:
        raise UsageProblem("No workflow is named to test with.", hint="Give --test-workflow SLUG, or --no-test.")
    cloud = open_cloud(context, stage, region)
    plan = rolling.plan(RollOrder(stage, slug, canary_seconds, min_healthy, warmup, back_to), cloud)
    if not agreed(plan, dry_run=dry_run, yes=yes or not plan.is_needed, as_json=as_json):
        return
    reporter = VerbReporter(as_json=as_json)
    if workflow is None or no_test or not wait or not plan.is_needed:
        receipt = rolling.apply(plan, cloud, reporter, None, waits=wait)
    else:
        with OperatorPlane(find_connection(settings_of(context))) as plane:
            values = _values(plane, workflow, input_file, assignments or [])
            proof = RenderProof(PlaneBench(plane), cloud, f"{stage}/{slug}", workflow, values)
            receipt = rolling.apply(plan, cloud, reporter, proof)
    _tell(plan, receipt, slug, stage, as_json=as_json)
    if not receipt.is_done:
        raise typer.Exit(ExitCode.FAILED)


def rolls(
    context: typer.Context,
    slug: Slug,
    stage: CloudStage = DEFAULT_STAGE,
    region: Region = None,
    as_json: JsonFlag = False,
) -> None:
    """Show how far a fleet's last roll is."""
    cloud = open_cloud(context, stage, region)
    found = rolling.look(stage, slug, cloud)
    if as_json:
        print_document(found)
    elif found is None:
        say(f"The fleet {stage}/{slug} was never rolled.")
    else:
        print_record(
            [
                ("roll", found.roll_id),
                ("status", found.status),
                ("replaced", f"{found.percent} %"),
                ("left", found.to_update),
                ("started", found.started_at),
                ("reason", found.reason or None),
            ]
        )


def _values(plane: OperatorPlane, workflow: str, input_file: Path | None, assignments: list[str]) -> dict[str, Scalar]:
    inputs = read_inputs(as_effect(plane.workflow(workflow)), input_file, assignments)
    uploads = {key: upload_file(plane, path, LineReporter()) for key, path in inputs.files.items()}
    return {**inputs.values, **uploads}


def _tell(plan: RollPlan, receipt: RollReceipt, slug: str, stage: str, *, as_json: bool) -> None:
    if as_json:
        print_document(receipt)
    elif receipt.status == "started":
        say(f"Roll {receipt.roll_id} was started. Follow it: comfyfleet fleets rolls {slug} --stage {stage}")
    elif receipt.status == "rolled_back":
        say(f"The roll was taken back, and {plan.group} is of {plan.previous_image_id} again: {receipt.reason}")
    elif receipt.status != "nothing_to_do":
        say(f"{plan.group} is of {plan.image_id}.")
