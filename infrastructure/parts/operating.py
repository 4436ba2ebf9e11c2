"""What the control plane may do beyond watching, where operators launch, bake and roll on its pages.

It acts on what has the stage's tag, and tags what it makes as it makes it. Conditions of EC2's actions:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from typing import Any, Final

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from comfyfleet import names
from infrastructure.parts.arns import group_arn, parameter_arn
from infrastructure.parts.exceptions import accept_wildcards
from infrastructure.stacks.data import DataStack
from infrastructure.stages import Stage

_LOOK: Final = [
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ssm:CancelCommand",
    "ssm:DescribeInstanceInformation",
    "ssm:GetCommandInvocation",
]
"""Actions for which AWS knows no resources, or none that carry tags."""
_LAUNCHED_FROM: Final = ("image", "key-pair", "launch-template", "network-interface", "security-group", "subnet")
_MAKERS: Final = ["RunInstances", "CreateImage", "CreateSecurityGroup"]
_TEMPORARY: Final = [names.DEV_NODE_ROLE, names.BAKE_ROLE]
"""Roles of machines that verbs launch and end; those of a fleet are its group's to end."""


def grant_operating(role: iam.IRole, stage: Stage, data: DataStack) -> None:
    """Let the control plane launch dev nodes and bakes, apply bundles, make images and roll its stage's groups."""
    statements = [*_machines(stage, data), *_images(stage, data), *_commands(stage, data), *_fleets(stage, data)]
    for statement in statements:
        role.add_to_principal_policy(statement)
    resources = {str(one) for statement in statements for one in statement.resources if "*" in str(one)}
    accept_wildcards(
        role,
        "Machines, disks, images and security groups have no names before they are made: the stage's tag is a "
        "condition of each that is changed.",
        *sorted(resources),
    )


def _machines(stage: Stage, data: DataStack) -> list[iam.PolicyStatement]:
    made = {"StringEquals": {f"aws:RequestTag/{names.STAGE_TAG}": stage.name}}
    ours = {"StringEquals": _of_stage(stage)["StringEquals"] | {f"aws:ResourceTag/{names.ROLE_TAG}": _TEMPORARY}}
    gates, machines = _ec2(data, "security-group"), names.stack_name(stage.name, "gpu", prefix=stage.prefix)
    return [
        _allow("Look", _LOOK, ["*"]),
        _allow("LaunchFrom", ["ec2:RunInstances"], [one for kind in _LAUNCHED_FROM for one in _ec2(data, kind)]),
        _allow("Launch", ["ec2:RunInstances"], _ec2(data, "instance") + _ec2(data, "volume"), made),
        _allow("EndOwn", ["ec2:TerminateInstances", "ec2:StopInstances"], _ec2(data, "instance"), ours),
        _allow("OpenGate", ["ec2:CreateSecurityGroup"], gates, made),
        _allow("GateNetwork", ["ec2:CreateSecurityGroup"], _ec2(data, "vpc")),
        _allow("UseGate", ["ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup"], gates, _of_stage(stage)),
        _allow("TagMade", ["ec2:CreateTags"], _ec2(data, "*"), {"StringEquals": {"ec2:CreateAction": list(_MAKERS)}}),
        _allow(
            "GiveRole",
            ["iam:PassRole"],
            [f"arn:aws:iam::{Stack.of(data).account}:role/{machines}-*"],
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
    ]


def _images(stage: Stage, data: DataStack) -> list[iam.PolicyStatement]:
    return [
        _allow("Copy", ["ec2:CreateImage"], _ec2(data, "instance"), _of_stage(stage)),
        _allow("CopyTo", ["ec2:CreateImage"], _ec2(data, "image") + _ec2(data, "snapshot")),
        _allow("DropImage", ["ec2:DeregisterImage"], _ec2(data, "image"), _of_stage(stage)),
        _allow("DropSnapshot", ["ec2:DeleteSnapshot"], _ec2(data, "snapshot"), _of_stage(stage)),
    ]


def _commands(stage: Stage, data: DataStack) -> list[iam.PolicyStatement]:
    document = f"arn:aws:ssm:{stage.region}::document/AWS-RunShellScript"
    tagged = {"StringEquals": {f"ssm:resourceTag/{names.STAGE_TAG}": stage.name}}
    return [
        _allow("RunDocument", ["ssm:SendCommand"], [document]),
        _allow("RunOnOwn", ["ssm:SendCommand"], _ec2(data, "instance"), tagged),
    ]


def _fleets(stage: Stage, data: DataStack) -> list[iam.PolicyStatement]:
    images = [
        parameter_arn(data, names.image_parameter(stage.name, fleet.slug, prefix=stage.prefix))
        for fleet in stage.fleets
    ]
    bucket = parameter_arn(data, names.models_bucket_parameter(stage.name, prefix=stage.prefix))
    all_images = parameter_arn(data, f"/{stage.prefix}/ami/fleets")
    base = f"arn:aws:ssm:{stage.region}::parameter{names.BASE_IMAGE_PARAMETER}"
    rolls = ["autoscaling:StartInstanceRefresh", "autoscaling:CancelInstanceRefresh"]
    return [
        _allow("ReadImages", ["ssm:GetParameter"], [*images, bucket, base]),
        _allow("ListImages", ["ssm:GetParametersByPath"], [all_images]),
        _allow("WriteImages", ["ssm:PutParameter"], images),
        _allow("Roll", rolls, [group_arn(data, stage, fleet) for fleet in stage.fleets]),
    ]


def _of_stage(stage: Stage) -> dict[str, Any]:
    return {"StringEquals": {f"aws:ResourceTag/{names.STAGE_TAG}": stage.name}}


def _ec2(data: DataStack, kind: str) -> list[str]:
    """Return the ARNs of all resources of a kind; those of images and snapshots name no account."""
    account = "" if kind in {"image", "snapshot"} else Stack.of(data).account
    return [f"arn:aws:ec2:{Stack.of(data).region}:{account}:{kind}/*"]


def _allow(
    sid: str, actions: list[str], resources: list[str], conditions: dict[str, Any] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=actions, resources=resources, conditions=conditions or {})
