"""Rules of EC2 that moto, which keeps the records, leaves out."""

from typing import Any

from lab.errors import ApiError
from lab.server import Action

_PARAMETER = "resolve:ssm:"


class Records:
    """Minds what moto does not."""

    def __init__(self, ec2: Any, ssm: Any) -> None:
        self._ec2, self._ssm = ec2, ssm

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        return {
            "ec2:DeleteSecurityGroup": self.delete_security_group,
            "ec2:DescribeLaunchTemplateVersions": self.versions,
        }

    def delete_security_group(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Remove a security group that no machine has.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
        """
        if group := parameters.get("GroupId"):
            alive = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
            having = {"Name": "instance.group-id", "Values": [group]}
            if self._ec2.describe_instances(Filters=[having, alive])["Reservations"]:
                raise ApiError("DependencyViolation", f"resource {group} has a dependent object")
        self._ec2.delete_security_group(**parameters)
        return {}

    def versions(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return versions of launch templates, and with `ResolveAlias` the images that parameters in them name.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLaunchTemplateVersions.html
        """
        resolves = parameters.pop("ResolveAlias", False)
        answer: dict[str, Any] = self._ec2.describe_launch_template_versions(**parameters)
        answer.pop("ResponseMetadata")
        for version in answer["LaunchTemplateVersions"] if resolves else []:
            data = version["LaunchTemplateData"]
            if data.get("ImageId", "").startswith(_PARAMETER):
                found = self._ssm.get_parameter(Name=data["ImageId"].removeprefix(_PARAMETER))
                data["ImageId"] = found["Parameter"]["Value"]
        return answer
