"""Ways in to machines: security groups of EC2."""

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.clients import make_client, when_it_appears
from comfyfleet.cloud.aws.errors import code_of, service_errors
from comfyfleet.cloud.aws.tags import as_tags, filters_of, tags_of
from comfyfleet.cloud.errors import GateInUse
from comfyfleet.cloud.gate_ports import Gate

_MISSING: Final = frozenset({"InvalidGroup.NotFound", "InvalidGroupId.Malformed"})
_IN_USE: Final = frozenset({"DependencyViolation", "InvalidGroup.InUse"})


class Ec2Gates:
    """Security groups, each of one port for one range of addresses; see `Gates`."""

    def __init__(self, client: Any = None) -> None:
        self._ec2 = client or make_client("ec2")

    def open(self, name: str, *, port: int, cidr: str, subnet_id: str | None, tags: Mapping[str, str]) -> str:
        """Make a gate; it is removed again when it cannot be opened."""
        network = {} if subnet_id is None else {"VpcId": self._network_of(subnet_id)}
        with service_errors(f"Opening '{name}'"):
            answer = self._ec2.create_security_group(
                GroupName=name,
                Description=f"Port {port} for {cidr}",
                TagSpecifications=[{"ResourceType": "security-group", "Tags": as_tags(tags)}],
                **network,
            )
        gate_id = str(answer["GroupId"])
        try:
            with service_errors(f"Opening '{name}'"):
                when_it_appears(lambda: self._let_in(gate_id, port, cidr), missing=_MISSING)
        except BaseException:
            self.close(gate_id)
            raise
        return gate_id

    def tagged(self, tags: Mapping[str, str]) -> list[Gate]:
        """Return the gates with these tags."""
        with service_errors("Listing ways in"):
            pages = self._ec2.get_paginator("describe_security_groups").paginate(Filters=filters_of(tags))
            return [_gate(one) for page in pages for one in page["SecurityGroups"]]

    def close(self, gate_id: str) -> None:
        """Remove a gate."""
        with service_errors(f"Closing {gate_id}"):
            try:
                self._ec2.delete_security_group(GroupId=gate_id)
            except ClientError as error:
                if code_of(error) in _IN_USE:
                    hint = "Wait until that machine is gone, then try again."
                    raise GateInUse(f"A machine still has {gate_id}.", hint=hint) from error
                if code_of(error) not in _MISSING:
                    raise

    def _network_of(self, subnet_id: str) -> str:
        with service_errors(f"Looking at {subnet_id}"):
            return str(self._ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"][0]["VpcId"])

    def _let_in(self, gate_id: str, port: int, cidr: str) -> None:
        version, address = ("Ipv6Ranges", "CidrIpv6") if ":" in cidr else ("IpRanges", "CidrIp")
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, version: [{address: cidr}]}
        self._ec2.authorize_security_group_ingress(GroupId=gate_id, IpPermissions=[rule])


def _gate(found: dict[str, Any]) -> Gate:
    return Gate(gate_id=found["GroupId"], name=found["GroupName"], tags=tags_of(found))
