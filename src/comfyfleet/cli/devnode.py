"""`comfyfleet devnode`: GPU machines on which people build workflows."""

import os
import shlex
import shutil
from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli.cloud import DEFAULT_STAGE, CloudStage, Profile, Region, Subnet, Types, open_cloud
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.options import JsonFlag, YesFlag, examples
from comfyfleet.cli.output import print_table, say
from comfyfleet.cli.verbs import DryRun, VerbReporter, agreed, print_document
from comfyfleet.ops import dev_gpu
from comfyfleet.ops.dev_gpu import DEFAULT_TYPES, DevNodeOrder
from comfyfleet.ops.tools import Cloud

app = typer.Typer(no_args_is_help=True, help="GPU machines in a cloud on which workflows are built (administrators).")

Instance = Annotated[str, typer.Argument(metavar="INSTANCE", help="Id of the machine, i-….")]


Ami = Annotated[
    str | None, typer.Option("--ami", metavar="AMI", help="This image, not the one in the fleet's parameter.")
]
Hours = Annotated[int, typer.Option("--hours", help="After so many hours it ends by itself.")]
Cidr = Annotated[
    str | None, typer.Option("--cidr", metavar="CIDR", help="Open ComfyUI to this address, such as 203.0.113.7/32.")
]
MeanIt = Annotated[bool, typer.Option("--yes-i-mean-it", help="Open it to a range of several addresses.")]


@app.command(
    "launch",
    epilog=examples(
        "comfyfleet devnode launch gpu-default --stage staging",
        "comfyfleet devnode launch gpu-default --cidr 203.0.113.7/32 --hours 4",
    ),
)
def launch(
    context: typer.Context,
    fleet: Annotated[str, typer.Argument(metavar="FLEET", help="Fleet whose image it has.")] = names.DEFAULT_FLEET,
    stage: CloudStage = DEFAULT_STAGE,
    ami: Ami = None,
    hours: Hours = 8,
    types: Types = None,
    cidr: Cidr = None,
    mean_it: MeanIt = False,
    subnet: Subnet = None,
    profile: Profile = None,
    keep_disk: Annotated[
        bool, typer.Option("--keep-disk", help="After its hours it stops and keeps its disk.")
    ] = False,
    region: Region = None,
    dry_run: DryRun = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Launch a dev node and wait until its ComfyUI answers; prints where. Ctrl-C leaves nothing behind."""
    cloud = open_cloud(context, stage, region)
    order = DevNodeOrder(
        stage=stage,
        fleet_slug=fleet,
        owner=_caller(cloud),
        hours=hours,
        instance_types=tuple(types or DEFAULT_TYPES),
        image_id=ami,
        cidr=cidr,
        subnet_id=subnet,
        instance_profile=profile,
        keeps_disk=keep_disk,
    )
    plan = dev_gpu.plan(order, cloud)
    if plan.needs_consent and not mean_it:
        raise UsageProblem(f"{plan.warnings[0]}", hint="Give one address, or --yes-i-mean-it.")
    if not agreed(plan, dry_run=dry_run, yes=yes, as_json=as_json):
        return
    node = dev_gpu.apply(plan, cloud, VerbReporter(as_json=as_json))
    if as_json:
        print_document(node)
        return
    say(f"{node.instance_id} ({node.instance_type}) is up. End it: comfyfleet devnode stop {node.instance_id}")
    if node.url is None:
        say(f"Its ComfyUI comes to this machine with: comfyfleet devnode open {node.instance_id}")
    typer.echo(node.url or _local_url(names.COMFYUI_PORT))


@app.command("list")
def list_nodes(
    context: typer.Context, stage: CloudStage = DEFAULT_STAGE, region: Region = None, as_json: JsonFlag = False
) -> None:
    """List the dev nodes of a stage, whose they are and where their ComfyUI is."""
    found = [one for one in dev_gpu.dev_nodes(open_cloud(context, stage, region)) if one.fleet.startswith(f"{stage}/")]
    if as_json:
        print_document(found)
        return
    rows = [
        (one.instance_id, one.state, one.instance_type, one.owner, one.fleet, one.launched_at, one.url) for one in found
    ]
    headers = ("INSTANCE", "STATE", "TYPE", "OWNER", "FLEET", "LAUNCHED", "URL")
    print_table(headers, rows, empty="There are no dev nodes.")


@app.command("open")
def open_node(
    context: typer.Context,
    instance: Instance,
    port: Annotated[
        int, typer.Option("--port", min=1024, max=65535, help="Port of this machine.")
    ] = names.COMFYUI_PORT,
    stage: CloudStage = DEFAULT_STAGE,
    region: Region = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command, and run nothing.")] = False,
) -> None:
    """Bring a dev node's ComfyUI to this machine until Ctrl-C, through SSM: no port of it is open to anybody."""
    cloud = open_cloud(context, stage, region)
    node = dev_gpu.find_dev_node(cloud, instance)
    command = dev_gpu.forward_command(node.instance_id, cloud.account.identity().region, port)
    lacking = [program for program in ("aws", "session-manager-plugin") if shutil.which(program) is None]
    if dry_run or lacking:
        typer.echo(shlex.join(command))
        if lacking:
            say(f"{' and '.join(lacking)} cannot be found here: run this where they are installed.")
        return
    say(f"ComfyUI of {node.instance_id} is at {_local_url(port)} until Ctrl-C.")
    os.execvp(command[0], command)  # noqa: S606 - the session is the user's to end


@app.command("stop")
def stop(
    context: typer.Context,
    instance: Instance,
    keep_disk: Annotated[bool, typer.Option("--keep-disk", help="Only stop it: its disk stays and costs.")] = False,
    stage: CloudStage = DEFAULT_STAGE,
    region: Region = None,
    dry_run: DryRun = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """End a dev node, its disk, and the security group that was made for it."""
    cloud = open_cloud(context, stage, region)
    plan = dev_gpu.plan_stop(instance, cloud, keeps_disk=keep_disk)
    if not agreed(plan, dry_run=dry_run, yes=yes, as_json=as_json):
        return
    receipt = dev_gpu.apply_stop(plan, cloud, VerbReporter(as_json=as_json))
    if as_json:
        print_document(receipt)
    else:
        say(f"{receipt.instance_id} is {receipt.state}.")


def _caller(cloud: Cloud) -> str:
    return cloud.account.identity().arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def _local_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
