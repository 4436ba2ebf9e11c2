"""EC2: moto keeps the records, and each machine runs as local processes."""

import base64
import json
import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from lab.clock import Clock
from lab.errors import NotSimulated
from lab.machines import Machines
from lab.metadata import Signer
from lab.server import Action
from lab.simulators.capacity import Capacity
from lab.simulators.power import Power

ACCOUNT: Final = "123456789012"
"""Whose account the lab is."""
_NAMES: Final = ("LaunchTemplateId", "LaunchTemplateName")
_DEFAULT_TYPE: Final = "m1.small"
NOTICE: Final = timedelta(minutes=2)
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html"""


class Compute:
    """RunInstances and what ends or copies machines; a machine's group may add to its metadata."""

    def __init__(self, ec2: Any, ssm: Any, machines: Machines, clock: Clock) -> None:
        self._ec2, self._ssm, self._machines, self._clock = ec2, ssm, machines, clock
        self._tokens: dict[str, dict[str, Any]] = {}
        self._interrupted: dict[str, datetime] = {}
        self.signer = Signer()
        self.capacity = Capacity()
        self.power = Power(ec2, machines)
        self.target_states: dict[str, str] = {}

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        return {
            "ec2:RunInstances": self.run,
            "ec2:TerminateInstances": self.terminate,
            "ec2:RebootInstances": self.reboot,
            "ec2:CreateImage": self.create_image,
            "ec2:CreateLaunchTemplateVersion": self.create_version,
            **self.power.actions(),
        }

    def run(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Launch machines: of a launch template too, whose values give way to those of the request."""
        token = parameters.get("ClientToken")
        if token in self._tokens:
            return self._tokens[token]
        wanted = self.expanded(parameters)
        if wanted.get("MinCount", 1) != wanted.get("MaxCount", 1):
            raise NotSimulated("RunInstances with a choice of counts")
        data = base64.b64decode(wanted.pop("UserData", "")).decode()
        is_spot = wanted.get("InstanceMarketOptions", {}).get("MarketType") == "spot"
        self.capacity.check(wanted.get("InstanceType", _DEFAULT_TYPE), is_spot=is_spot)
        wanted.pop("MetadataOptions", None)  # every metadata service of the lab asks for a token
        answer: dict[str, Any] = self._ec2.run_instances(**wanted, UserData=data)
        answer.pop("ResponseMetadata")
        for instance in answer["Instances"]:
            instance_id = instance["InstanceId"]
            self._machines.start(instance_id, wanted["ImageId"], data, partial(self._pages, instance, is_spot=is_spot))
        if token is not None:
            self._tokens[token] = answer
        return answer

    def expanded(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a request with its launch template's values and its image's id filled in.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html
        """
        own = dict(parameters)
        template = own.pop("LaunchTemplate", None)
        data = self.template(template)["LaunchTemplateData"] if template else {}
        merged = {"MinCount": 1, "MaxCount": 1, **data, **own}
        if merged.get("ImageId", "").startswith("resolve:ssm:"):
            name = merged["ImageId"].removeprefix("resolve:ssm:")
            merged["ImageId"] = self._ssm.get_parameter(Name=name)["Parameter"]["Value"]
        return merged

    def template(self, template: dict[str, Any]) -> dict[str, Any]:
        """Return the version of a launch template that a specification names."""
        which = {name: value for name, value in template.items() if name in _NAMES}
        version = template.get("Version", "$Default")
        found = self._ec2.describe_launch_template_versions(**which, Versions=[version])
        return dict(found["LaunchTemplateVersions"][0])

    def terminate(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """End machines and their records."""
        answer: dict[str, Any] = self._ec2.terminate_instances(InstanceIds=parameters["InstanceIds"])
        for instance_id in parameters["InstanceIds"]:
            self._machines.end(instance_id)
        answer.pop("ResponseMetadata")
        return answer

    def reboot(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Let machines start anew; they stay what they are, and the call does not wait for it.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RebootInstances.html
        """
        self._ec2.reboot_instances(InstanceIds=parameters["InstanceIds"])
        for instance_id in parameters["InstanceIds"]:
            self._machines.reboot(instance_id)
        return {}

    def create_image(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Copy a machine's disk; the image is available when the call returns."""
        answer: dict[str, Any] = self._ec2.create_image(**parameters)
        self._machines.keep_image(parameters["InstanceId"], answer["ImageId"])
        return {"ImageId": answer["ImageId"]}

    def create_version(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make a version of a launch template upon its source version, which moto leaves out.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html
        """
        wanted = dict(parameters)
        if source := wanted.pop("SourceVersion", None):
            base = self.template({**wanted, "Version": source})["LaunchTemplateData"]
            wanted["LaunchTemplateData"] = {**base, **wanted["LaunchTemplateData"]}
        answer: dict[str, Any] = self._ec2.create_launch_template_version(**wanted)
        answer.pop("ResponseMetadata")
        return answer

    def interrupt(self, instance_id: str, *, is_rebalance: bool = False) -> None:
        """Tell a machine that it will be taken in two minutes, or that it is likely to be."""
        now = self._clock.now()
        told = self._clock.on_machines
        notices = self._machines.running[instance_id].notices
        if is_rebalance:
            notices["meta-data/events/recommendations/rebalance"] = json.dumps({"noticeTime": _zulu(told(now))})
            return
        self._interrupted[instance_id] = now + NOTICE
        at = _zulu(told(now + NOTICE))
        notices["meta-data/spot/termination-time"] = at
        notices["meta-data/spot/instance-action"] = json.dumps({"action": "terminate", "time": at})

    def step(self, now: datetime) -> None:
        """Take the machines whose two minutes are over, and end those that halt."""
        for instance_id, machine in list(self._machines.running.items()):
            if (minutes := self._machines.halting(machine)) is not None:
                machine.halts_at = now + timedelta(minutes=minutes)
            if machine.halts_at is not None and machine.halts_at <= now and not self.power.halt(instance_id):
                self.terminate({"InstanceIds": [instance_id]})
        for instance_id in [one for one, at in self._interrupted.items() if at <= now]:
            del self._interrupted[instance_id]
            if instance_id in self._machines.running:
                self.terminate({"InstanceIds": [instance_id]})

    def identity_of(self, instance_id: str, account: str) -> dict[str, str]:
        """Return the pages of a machine's signed identity, as if it belonged to this account."""
        found = self._ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return self._identity(found, account)

    def _pages(self, instance: dict[str, Any], *, is_spot: bool) -> dict[str, str]:
        instance_id, zone = instance["InstanceId"], instance["Placement"]["AvailabilityZone"]
        pages = {
            "meta-data/instance-id": instance_id,
            "meta-data/ami-id": instance["ImageId"],
            "meta-data/instance-type": instance["InstanceType"],
            "meta-data/instance-life-cycle": "spot" if is_spot else "on-demand",
            "meta-data/placement/availability-zone": zone,
            "meta-data/placement/region": zone[:-1],
            **{f"meta-data/tags/instance/{tag['Key']}": tag["Value"] for tag in instance.get("Tags", [])},
            **self._identity(instance, ACCOUNT),
            **self._credentials(instance),
        }
        if instance_id in self.target_states:
            pages["meta-data/autoscaling/target-lifecycle-state"] = self.target_states[instance_id]
        return pages

    def _identity(self, instance: dict[str, Any], account: str) -> dict[str, str]:
        zone = instance["Placement"]["AvailabilityZone"]
        document = {
            "instanceId": instance["InstanceId"],
            "imageId": instance["ImageId"],
            "instanceType": instance["InstanceType"],
            "region": zone[:-1],
            "availabilityZone": zone,
            "accountId": account,
            "pendingTime": _zulu(instance["LaunchTime"]),
            "version": "2017-09-30",
        }
        return self.signer.pages(json.dumps(document))

    def _credentials(self, instance: dict[str, Any]) -> dict[str, str]:
        profile = instance.get("IamInstanceProfile")
        if profile is None:
            return {}
        keys = {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": _zulu(datetime.now(self._clock.now().tzinfo)),
            "AccessKeyId": "ASIALAB" + instance["InstanceId"][-9:].upper(),
            "SecretAccessKey": secrets.token_urlsafe(30),
            "Token": secrets.token_urlsafe(60),
            "Expiration": _zulu(datetime.now(self._clock.now().tzinfo) + timedelta(hours=6)),
        }
        name = profile["Arn"].rpartition("/")[2]
        return {f"meta-data/iam/security-credentials/{name}": json.dumps(keys)}


def _zulu(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
