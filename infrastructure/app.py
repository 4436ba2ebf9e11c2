"""The CDK app: `npx cdk deploy --context stage=staging --all`, or `python app.py` to write the templates alone.

`--context image=<image>` names an image of the control plane that is in a registry already; else Docker builds it.
"""

import os
import sys
from typing import Final

from aws_cdk import App, Environment, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from comfyfleet import names
from comfyfleet.core.errors import FleetError
from infrastructure.stacks.compute import ComputeStack
from infrastructure.stacks.data import DataStack
from infrastructure.stacks.gpu import GpuStack
from infrastructure.stages import Stage, StageInvalid, read_stage

_FLAGS: Final = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/aws-s3:createDefaultLoggingPolicy": True,
    "@aws-cdk/aws-ec2:restrictDefaultSecurityGroup": False,
    "@aws-cdk/aws-ecs:removeDefaultDeploymentAlarm": True,
    "@aws-cdk/core:target-partitions": ["aws"],
    "@aws-cdk/core:defaultCrossStackReferences": "strong",
}
"""Today's behaviour of the CDK, whoever runs the app: https://docs.aws.amazon.com/cdk/v2/guide/featureflags.html."""


def make_app(outdir: str | None = None) -> App:
    """Return an app whose templates are checked when they are written."""
    app = App(outdir=outdir, context=_FLAGS)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def build(app: App, stage: Stage) -> tuple[DataStack, ComputeStack, GpuStack]:
    """Make the three stacks of a stage; raise `StageInvalid` where its account is not known."""
    if stage.account is None:
        raise StageInvalid(
            f"The account of stage '{stage.name}' is not known.",
            hint="Use credentials of it, set CDK_DEFAULT_ACCOUNT, or name it in stages.toml.",
        )
    where = Environment(account=stage.account, region=stage.region)
    # The stage says its zones. Otherwise the CDK would ask AWS for them, and leave a file with the account in it here.
    zones = [f"{stage.region}{letter}" for letter in stage.zones]
    app.node.set_context(f"availability-zones:account={stage.account}:region={stage.region}", zones)

    def name(stack: str) -> str:
        return names.stack_name(stage.name, stack, prefix=stage.prefix)

    data = DataStack(app, name("data"), stage, env=where)
    compute = ComputeStack(app, name("compute"), stage, data, env=where)
    gpu = GpuStack(app, name("gpu"), stage, data, compute.site_url, env=where)
    Tags.of(app).add(names.STAGE_TAG, stage.name)
    return data, compute, gpu


def main() -> None:
    """Synthesize the stage that the context names."""
    app = make_app()
    name = app.node.try_get_context("stage") or os.environ.get("STAGE") or "staging"
    account = app.node.try_get_context("account") or os.environ.get("CDK_DEFAULT_ACCOUNT")
    try:
        build(app, read_stage(name, account, image=app.node.try_get_context("image")))
    except FleetError as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
