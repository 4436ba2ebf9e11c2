"""What the control plane may do on AWS, as one list."""

from aws_cdk import aws_iam as iam

from comfyfleet import names
from infrastructure.parts.arns import objects_arn, parameter_arn
from infrastructure.parts.exceptions import accept_wildcards
from infrastructure.stacks.data import DataStack
from infrastructure.stages import Stage

_OBJECTS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
_WATCH = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeInstanceRefreshes",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
]
"""Calls that only look, and that AWS grants for everything or nothing."""


def grant(role: iam.IRole, stage: Stage, data: DataStack) -> None:
    """Let the control plane keep objects, tell figures, and point its fleets to bundles."""
    buckets = (data.models_name, data.media_name)
    objects = [objects_arn(bucket, "") for bucket in buckets]
    statements = [
        iam.PolicyStatement(sid="Objects", actions=_OBJECTS, resources=objects),
        iam.PolicyStatement(
            sid="Buckets", actions=["s3:ListBucket"], resources=[f"arn:aws:s3:::{bucket}" for bucket in buckets]
        ),
        iam.PolicyStatement(
            sid="Figures",
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": names.METRICS_NAMESPACE}},
        ),
        iam.PolicyStatement(
            sid="Pointers",
            actions=["ssm:GetParameter", "ssm:PutParameter"],
            resources=[
                parameter_arn(data, names.active_bundle_parameter(stage.name, fleet.slug, prefix=stage.prefix))
                for fleet in stage.fleets
            ],
        ),
        iam.PolicyStatement(
            sid="Images",
            actions=["ssm:GetParameter"],
            resources=[
                parameter_arn(data, names.image_parameter(stage.name, fleet.slug, prefix=stage.prefix))
                for fleet in stage.fleets
            ],
        ),
        iam.PolicyStatement(sid="Watch", actions=_WATCH, resources=["*"]),
    ]
    for statement in statements:
        role.add_to_principal_policy(statement)
    accept_wildcards(
        role,
        "It keeps objects of any key in its own two buckets; AWS grants looking, and figures, for everything or "
        "nothing, and the namespace is a condition.",
        "*",
        *objects,
    )
