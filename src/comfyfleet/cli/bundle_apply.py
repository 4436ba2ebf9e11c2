"""`comfyfleet bundles apply`: a bundle for one machine, from afar."""

from typing import Annotated

import typer

from comfyfleet.cli.cloud import DEFAULT_STAGE, Bucket, CloudStage, Region, open_cloud
from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.options import JsonFlag, YesFlag
from comfyfleet.cli.output import say
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.cli.verbs import DryRun, VerbReporter, agreed, print_document
from comfyfleet.client.bundles import BundlePlane
from comfyfleet.ops import apply_remote
from comfyfleet.ops.apply_remote import ApplyOrder
from comfyfleet.ops.errors import TargetInvalid
from comfyfleet.ops.targets import bundle_id_of


def apply(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="bundles/<id>, the id, or a name or name@version.")],
    instance: Annotated[str, typer.Option("--instance", metavar="INSTANCE", help="Id of the machine, i-….")],
    fleet: Annotated[
        str | None, typer.Option("--fleet", metavar="FLEET", help="Fleet of the machine; else its tag says it.")
    ] = None,
    stage: CloudStage = DEFAULT_STAGE,
    bucket: Bucket = None,
    region: Region = None,
    dry_run: DryRun = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Apply a bundle to one machine through SSM, and show what it says. Ends with the exit code of the applier there.

    Ctrl-C asks whether the apply shall end, too; one that is ended goes on where it was the next time.
    """
    cloud = open_cloud(context, stage, region)
    order = ApplyOrder(instance, bundle_id(context, bundle), fleet or None, stage, bucket or None)
    plan = apply_remote.plan(order, cloud)
    if not agreed(plan, dry_run=dry_run, yes=yes, as_json=as_json):
        return
    reporter = VerbReporter(as_json=as_json)
    receipt = apply_remote.apply(plan, cloud, reporter, is_to_cancel=lambda: yes or _is_to_cancel())
    reporter.flush()
    if as_json:
        print_document(receipt)
    elif receipt.exit_code == 0:
        say(f"{receipt.instance_id} has bundle {receipt.bundle_id}.")
    else:
        say(f"The apply {receipt.status}; its log is in the logs bucket below {receipt.log_prefix}.")
    if receipt.exit_code != 0:
        raise typer.Exit(receipt.exit_code or ExitCode.FAILED)


def bundle_id(context: typer.Context, bundle: str) -> str:
    """Return a bundle's id; only what is no id needs a control plane."""
    try:
        return bundle_id_of(bundle)
    except TargetInvalid:
        with BundlePlane(find_connection(settings_of(context))) as plane:
            return plane.bundle(bundle).bundle_id


def _is_to_cancel() -> bool:
    try:
        return typer.confirm("End the apply on the machine, too?", default=True, err=True)
    except typer.Abort:
        return True
