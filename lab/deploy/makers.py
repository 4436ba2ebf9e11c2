"""How each kind of resource is made in the lab, through the same API as anybody's calls.

A template's properties have the names of the API's parameters; what differs is said here. Each maker returns what `Ref`
gives and the attributes: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from lab.lab import Lab

Made = tuple[str, dict[str, Any]]
Maker = Callable[[Lab, str, dict[str, Any]], Made]


def _bucket(lab: Lab, logical: str, wanted: dict[str, Any]) -> Made:
    name = wanted.get("BucketName", logical.lower())
    lab.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": lab.region})
    return name, {"Arn": f"arn:aws:s3:::{name}"}


def _parameter(lab: Lab, _logical: str, wanted: dict[str, Any]) -> Made:
    taken = {name: wanted[name] for name in ("Name", "Value", "Type", "DataType") if name in wanted}
    lab.client("ssm").put_parameter(**taken)
    return wanted["Name"], {"Value": wanted["Value"], "Type": wanted["Type"]}


def _role(lab: Lab, logical: str, wanted: dict[str, Any]) -> Made:
    name = wanted.get("RoleName", logical[:64])
    trust = json.dumps(wanted["AssumeRolePolicyDocument"])
    role = lab.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    return name, {"Arn": role["Arn"], "RoleId": role["RoleId"]}


def _policy(lab: Lab, logical: str, wanted: dict[str, Any]) -> Made:
    document = json.dumps(wanted["PolicyDocument"])
    for role in wanted["Roles"]:
        lab.client("iam").put_role_policy(RoleName=role, PolicyName=wanted["PolicyName"], PolicyDocument=document)
    return logical, {}


def _profile(lab: Lab, logical: str, wanted: dict[str, Any]) -> Made:
    iam = lab.client("iam")
    profile = iam.create_instance_profile(InstanceProfileName=logical)["InstanceProfile"]
    for role in wanted["Roles"]:
        iam.add_role_to_instance_profile(InstanceProfileName=logical, RoleName=role)
    return logical, {"Arn": profile["Arn"]}


def _network(lab: Lab, _logical: str, wanted: dict[str, Any]) -> Made:
    vpc = lab.client("ec2").create_vpc(CidrBlock=wanted["CidrBlock"])["Vpc"]["VpcId"]
    return vpc, {"VpcId": vpc, "CidrBlock": wanted["CidrBlock"]}


def _subnet(lab: Lab, _logical: str, wanted: dict[str, Any]) -> Made:
    taken = {name: wanted[name] for name in ("VpcId", "CidrBlock", "AvailabilityZone")}
    subnet = lab.client("ec2").create_subnet(**taken)["Subnet"]["SubnetId"]
    return subnet, {"SubnetId": subnet, "AvailabilityZone": wanted["AvailabilityZone"]}


def _security_group(lab: Lab, logical: str, wanted: dict[str, Any]) -> Made:
    group = lab.client("ec2").create_security_group(
        GroupName=wanted.get("GroupName", logical), Description=wanted["GroupDescription"], VpcId=wanted["VpcId"]
    )["GroupId"]
    return group, {"GroupId": group, "VpcId": wanted["VpcId"]}


def _launch_template(lab: Lab, _logical: str, wanted: dict[str, Any]) -> Made:
    made = lab.client("ec2").create_launch_template(
        LaunchTemplateName=wanted["LaunchTemplateName"], LaunchTemplateData=wanted["LaunchTemplateData"]
    )["LaunchTemplate"]
    version = str(made["LatestVersionNumber"])
    return made["LaunchTemplateId"], {"LatestVersionNumber": version, "DefaultVersionNumber": version}


def _group(lab: Lab, _logical: str, wanted: dict[str, Any]) -> Made:
    taken = {name: value for name, value in wanted.items() if name != "MetricsCollection"}
    for name in ("MinSize", "MaxSize", "DesiredCapacity"):
        if name in taken:
            taken[name] = int(taken[name])
    taken["VPCZoneIdentifier"] = ",".join(taken["VPCZoneIdentifier"])
    lab.client("autoscaling").create_auto_scaling_group(**taken)
    return wanted["AutoScalingGroupName"], {}


def _hook(lab: Lab, _logical: str, wanted: dict[str, Any]) -> Made:
    lab.client("autoscaling").put_lifecycle_hook(**wanted)
    return wanted["LifecycleHookName"], {}


def _scaling_policy(lab: Lab, logical: str, wanted: dict[str, Any]) -> Made:
    made = lab.client("autoscaling").put_scaling_policy(PolicyName=logical, **wanted)
    return made["PolicyARN"], {"Arn": made["PolicyARN"], "PolicyName": logical}


def _alarm(lab: Lab, _logical: str, wanted: dict[str, Any]) -> Made:
    watch = lab.client("cloudwatch")
    watch.put_metric_alarm(**wanted)
    [alarm] = watch.describe_alarms(AlarmNames=[wanted["AlarmName"]])["MetricAlarms"]
    return wanted["AlarmName"], {"Arn": alarm["AlarmArn"]}


MAKERS: Final[Mapping[str, Maker]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::SSM::Parameter": _parameter,
    "AWS::IAM::Role": _role,
    "AWS::IAM::Policy": _policy,
    "AWS::IAM::InstanceProfile": _profile,
    "AWS::EC2::VPC": _network,
    "AWS::EC2::Subnet": _subnet,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::EC2::LaunchTemplate": _launch_template,
    "AWS::AutoScaling::AutoScalingGroup": _group,
    "AWS::AutoScaling::LifecycleHook": _hook,
    "AWS::AutoScaling::ScalingPolicy": _scaling_policy,
    "AWS::CloudWatch::Alarm": _alarm,
}
