"""`comfyfleet fleets bake`: a machine image for a fleet."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli.bundle_apply import bundle_id
from comfyfleet.cli.cloud import DEFAULT_STAGE, Bucket, CloudStage, Profile, Region, Subnet, Types, open_cloud
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.fleet_bundles import Slug
from comfyfleet.cli.options import JsonFlag, YesFlag
from comfyfleet.cli.output import print_record, say
from comfyfleet.cli.verbs import DryRun, VerbReporter, agreed, print_document
from comfyfleet.ops.bake import bake as baking
from comfyfleet.ops.bake.bake import BakeReceipt
from comfyfleet.ops.bake.package import build_package, newest_wheel
from comfyfleet.ops.bake.plan import DEFAULT_KEEP, DEFAULT_TYPES, BakeOrder
from comfyfleet.ops.bake.plan import plan as plan_bake
from comfyfleet.ops.tools import Cloud

Bundle = Annotated[
    str | None,
    typer.Option("--bundle", metavar="BUNDLE", help="bundles/<id>, id or name; else the one that is active."),
]
Base = Annotated[
    str, typer.Option("--base", metavar="AMI|PARAMETER", help="Image that it is made of, or the parameter of one.")
]
Folder = Annotated[
    Path, typer.Option("--machine-folder", metavar="FOLDER", help="Folder with the installer, install.sh.")
]
Wheel = Annotated[
    Path | None, typer.Option("--wheel", metavar="FILE", help="comfyfleet's wheel; else the newest in dist.")
]
Requirements = Annotated[
    Path, typer.Option("--requirements", metavar="FILE", help="Lock of what a worker needs, with hashes.")
]
Revision = Annotated[
    str | None, typer.Option("--revision", metavar="SHA", help="Git revision for the image's tags; else HEAD.")
]

WithoutProof = Annotated[
    bool,
    typer.Option(
        "--without-isolation-proof",
        help="Do not prove that ComfyUI is kept from the machine's role: for simulated machines, without systemd.",
    ),
]


def bake(
    context: typer.Context,
    slug: Slug,
    stage: CloudStage = DEFAULT_STAGE,
    bundle: Bundle = None,
    bucket: Bucket = None,
    base: Base = names.BASE_IMAGE_PARAMETER,
    types: Types = None,
    subnet: Subnet = None,
    profile: Profile = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many images to keep.")] = DEFAULT_KEEP,
    folder: Folder = Path("infrastructure/machine"),
    wheel: Wheel = None,
    requirements: Requirements = Path("requirements/worker.txt"),
    revision: Revision = None,
    without_isolation_proof: WithoutProof = False,
    region: Region = None,
    dry_run: DryRun = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Bake an image with a bundle in it, prove that it renders, and write its id to the fleet's parameter.

    Whatever fails, and Ctrl-C, ends the machine and leaves the parameter as it was. Running machines stay as they are:
    see `fleets roll`.
    """
    cloud = open_cloud(context, stage, region)
    order = BakeOrder(
        stage=stage,
        fleet_slug=slug,
        bundle=bundle_id(context, bundle) if bundle else _active_bundle(cloud, stage, slug),
        package=build_package(folder, wheel or newest_wheel(Path("dist")), requirements),
        revision=revision or _head(),
        models_bucket=bucket or None,
        base=base,
        instance_types=tuple(types or DEFAULT_TYPES),
        subnet_id=subnet,
        instance_profile=profile,
        keep=keep,
        proves_isolation=not without_isolation_proof,
    )
    plan = plan_bake(order, cloud)
    if not agreed(plan, dry_run=dry_run, yes=yes, as_json=as_json):
        return
    reporter = VerbReporter(as_json=as_json)
    receipt = baking.apply(plan, cloud, reporter)
    reporter.flush()
    _tell(receipt, slug, stage, as_json=as_json)


def _tell(receipt: BakeReceipt, slug: str, stage: str, *, as_json: bool) -> None:
    if as_json:
        print_document(receipt)
        return
    print_record(
        [
            ("image", receipt.image_id),
            ("before", receipt.previous_image_id),
            ("parameter", receipt.parameter),
            ("bundle", receipt.bundle_id),
            ("ComfyUI", receipt.comfyui_version),
            ("kept from the role", "yes, proved" if receipt.is_isolation_proven else "not proved"),
            ("deleted", " ".join(receipt.deleted) or None),
        ]
    )
    say(f"New machines are of it. Replace those that run: comfyfleet fleets roll {slug} --stage {stage}")


def _active_bundle(cloud: Cloud, stage: str, slug: str) -> str:
    name = names.active_bundle_parameter(stage, slug, prefix=cloud.prefix)
    parameter = cloud.parameters.get(name)
    if parameter is None or parameter.value == names.NO_BUNDLE:
        raise UsageProblem(f"{name} names no bundle.", hint="Activate one, or give --bundle.")
    return parameter.value


def _head() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise UsageProblem("The git revision is not known here.", hint="Run it in a checkout, or give --revision.")
    return found.stdout.strip()
