"""`Gates` on EC2, of which moto keeps the records."""

import pytest
from botocore.stub import Stubber

from comfyfleet import names
from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.gates import Ec2Gates
from comfyfleet.cloud.errors import GateInUse

pytestmark = pytest.mark.usefixtures("aws")


def open_gate(stage: str, cidr: str = "203.0.113.7/32", subnet_id: str | None = None) -> str:
    return Ec2Gates().open(f"gate-{stage}", port=8188, cidr=cidr, subnet_id=subnet_id, tags={names.GATE_TAG: stage})


@pytest.mark.parametrize(
    ("cidr", "ranges", "key"),
    [("203.0.113.7/32", "IpRanges", "CidrIp"), ("2001:db8::1/128", "Ipv6Ranges", "CidrIpv6")],
)
def test_a_gate_lets_one_range_in_to_one_port(stage: str, cidr: str, ranges: str, key: str) -> None:
    gate_id = open_gate(stage, cidr)
    (found,) = make_client("ec2").describe_security_groups(GroupIds=[gate_id])["SecurityGroups"]
    (rule,) = found["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"], [one[key] for one in rule[ranges]]) == (8188, 8188, [cidr])


def test_a_gate_is_made_in_the_network_of_its_subnet(stage: str) -> None:
    ec2 = make_client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    (found,) = ec2.describe_security_groups(GroupIds=[open_gate(stage, subnet_id=subnet)])["SecurityGroups"]
    assert found["VpcId"] == vpc


def test_gates_are_found_by_their_tags_until_they_are_closed(stage: str) -> None:
    gates, gate_id = Ec2Gates(), open_gate(stage)
    assert [one.gate_id for one in gates.tagged({names.GATE_TAG: stage})] == [gate_id]
    for _ in range(2):
        gates.close(gate_id)
    assert gates.tagged({names.GATE_TAG: stage}) == []


def test_a_gate_that_a_machine_has_is_not_closed_though_moto_would_let_it_go() -> None:
    client = make_client("ec2")
    with Stubber(client) as stub:
        stub.add_client_error("delete_security_group", "DependencyViolation", "It has a dependent object.", 400)
        with pytest.raises(GateInUse):
            Ec2Gates(client).close("sg-1")
