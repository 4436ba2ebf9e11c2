"""What the checks of AWS Solutions would have otherwise, and why it is as it is."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept(where: IConstruct, reason: str, *findings: str) -> None:
    """Accept findings, such as `AwsSolutions-EC23`, at a construct and below it, for a reason."""
    for finding in findings:
        Validations.of(where).acknowledge(Acknowledgment(id=f"AwsSolutions::{finding}", reason=reason))


def accept_wildcards(where: IConstruct, reason: str, *resources: str) -> None:
    """Accept that a policy names these resources by a wildcard."""
    accept(where, reason, *(f"AwsSolutions-IAM5[Resource::{resource}]" for resource in resources))
