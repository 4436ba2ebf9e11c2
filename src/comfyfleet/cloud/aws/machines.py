"""Machines of EC2 that are launched one by one."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from comfyfleet import names
from comfyfleet.cloud.aws.clients import make_client, when_it_appears
from comfyfleet.cloud.aws.errors import code_of, service_errors
from comfyfleet.cloud.aws.tags import as_tags, filters_of, tags_of
from comfyfleet.cloud.errors import NoCapacity
from comfyfleet.cloud.fleet_ports import Machine, MachineState, NewMachine

LAUNCH_TAG: Final = names.LAUNCH_TAG
"""By this tag a launch that is asked for again finds the machine of the first time."""

_MISSING: Final = frozenset({"InvalidInstanceID.NotFound"})
_GONE: Final = _MISSING | {"InvalidInstanceID.Malformed"}
_NO_CAPACITY: Final = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "InstanceLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "SpotMaxPriceTooLow",
        "Unsupported",
        "VcpuLimitExceeded",
    }
)
"""Codes after which another type may still be had: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""
_METADATA: Final = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "InstanceMetadataTags": "enabled"}
_ALIVE: Final = [state.value for state in MachineState if state is not MachineState.TERMINATED]


class Ec2Machines:
    """The machines of an account; see `Machines`."""

    def __init__(self, client: Any = None) -> None:
        self._ec2 = client or make_client("ec2")

    def launch(self, new: NewMachine, *, token: str) -> Machine:
        """Launch a machine of the first type that can be had."""
        if before := self.tagged({LAUNCH_TAG: token}):
            return before[0]
        refusals = []
        for instance_type in new.instance_types:
            with service_errors(f"Launching '{new.name}'"):
                try:
                    return self._launch(new, instance_type, token)
                except ClientError as error:
                    if code_of(error) not in _NO_CAPACITY:
                        raise
                    refusals.append(f"{instance_type}: {error.response['Error'].get('Message', code_of(error))}")
        raise NoCapacity(
            f"No machine for '{new.name}' can be had now. {' '.join(refusals)}",
            hint="Try later or with other types; a new account has to ask for a quota of GPU machines first.",
        )

    def find(self, instance_id: str) -> Machine | None:
        """Return a machine, or None."""
        with service_errors(f"Looking at {instance_id}"):
            try:
                found = self._described(InstanceIds=[instance_id])
            except ClientError as error:
                if code_of(error) in _GONE:
                    return None
                raise
        return found[0] if found else None

    def tagged(self, tags: Mapping[str, str]) -> list[Machine]:
        """Return the machines with these tags, oldest first."""
        alive = {"Name": "instance-state-name", "Values": _ALIVE}
        with service_errors("Listing machines"):
            found = self._described(Filters=[*filters_of(tags), alive])
        return sorted(found, key=lambda one: one.launched_at)

    def stop(self, instance_id: str) -> None:
        """Stop a machine."""
        with service_errors(f"Stopping {instance_id}"):
            self._ec2.stop_instances(InstanceIds=[instance_id])

    def terminate(self, instance_id: str) -> None:
        """End a machine."""
        with service_errors(f"Ending {instance_id}"):
            try:
                self._ec2.terminate_instances(InstanceIds=[instance_id])
            except ClientError as error:
                if code_of(error) not in _MISSING:
                    raise

    def _launch(self, new: NewMachine, instance_type: str, token: str) -> Machine:
        answer = self._ec2.run_instances(**self._request(new, instance_type, token))
        instance_id = answer["Instances"][0]["InstanceId"]
        return when_it_appears(lambda: self._described(InstanceIds=[instance_id]), missing=_MISSING)[0]

    def _request(self, new: NewMachine, instance_type: str, token: str) -> dict[str, Any]:
        tags = as_tags({**new.tags, "Name": new.name, LAUNCH_TAG: token})
        request: dict[str, Any] = {
            "ImageId": new.image_id,
            "InstanceType": instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": hashlib.sha256(f"{token} {instance_type}".encode()).hexdigest(),
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
            "MetadataOptions": {
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 1,
                "InstanceMetadataTags": "enabled",
            },
            "InstanceInitiatedShutdownBehavior": "terminate" if new.stops_itself else "stop",
        }
        if new.template is not None:
            request["LaunchTemplate"] = {"LaunchTemplateName": new.template, "Version": "$Latest"}
        if new.user_data:
            request["UserData"] = new.user_data
        if new.instance_profile is not None:
            request["IamInstanceProfile"] = {"Name": new.instance_profile}
        if new.disk_gib is not None:
            request["BlockDeviceMappings"] = [self._disk(new.image_id, new.disk_gib)]
        return request | _network(new)

    def _disk(self, image_id: str, gib: int) -> dict[str, Any]:
        image = self._ec2.describe_images(ImageIds=[image_id])["Images"][0]
        disk = {"VolumeSize": gib, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
        return {"DeviceName": image["RootDeviceName"], "Ebs": disk}

    def _described(self, **which: Any) -> list[Machine]:
        pages = self._ec2.get_paginator("describe_instances").paginate(**which)
        return [
            _machine(one) for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]
        ]


def _network(new: NewMachine) -> dict[str, Any]:
    """A public address is asked of a network interface, which then has the subnet and the groups."""
    groups = list(new.security_group_ids)
    if new.has_public_address:
        interface: dict[str, Any] = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
        if groups:
            interface["Groups"] = groups
        if new.subnet_id is not None:
            interface["SubnetId"] = new.subnet_id
        return {"NetworkInterfaces": [interface]}
    place: dict[str, Any] = {"SecurityGroupIds": groups} if groups else {}
    return place | ({"SubnetId": new.subnet_id} if new.subnet_id is not None else {})


def _machine(found: dict[str, Any]) -> Machine:
    return Machine(
        instance_id=found["InstanceId"],
        state=MachineState(found["State"]["Name"]),
        image_id=found["ImageId"],
        instance_type=found["InstanceType"],
        launched_at=found["LaunchTime"],
        tags=tags_of(found),
        public_address=found.get("PublicIpAddress") or None,
        private_address=found.get("PrivateIpAddress") or None,
        is_spot=found.get("InstanceLifecycle") == "spot",
    )
