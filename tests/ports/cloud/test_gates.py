"""`Gates` on EC2."""

import pytest
from tests.ports.cloud.sites import LAB, MEMORY, MOTO, Site, on

from comfyfleet import names
from comfyfleet.cloud.errors import GateInUse


def open_gate(site: Site, stage: str, cidr: str = "203.0.113.7/32", subnet_id: str | None = None) -> str:
    tags = {names.GATE_TAG: stage}
    return site.cloud.gates.open(f"gate-{stage}", port=8188, cidr=cidr, subnet_id=subnet_id, tags=tags)


@pytest.mark.parametrize(
    ("cidr", "ranges", "key"),
    [("203.0.113.7/32", "IpRanges", "CidrIp"), ("2001:db8::1/128", "Ipv6Ranges", "CidrIpv6")],
    ids=["ip4", "ip6"],
)
@on(MOTO, LAB)
def test_a_gate_lets_one_range_in_to_one_port(site: Site, stage: str, cidr: str, ranges: str, key: str) -> None:
    gate_id = open_gate(site, stage, cidr)
    (found,) = site.client("ec2").describe_security_groups(GroupIds=[gate_id])["SecurityGroups"]
    (rule,) = found["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"], [one[key] for one in rule[ranges]]) == (8188, 8188, [cidr])


@on(MOTO, LAB)
def test_a_gate_is_made_in_the_network_of_its_subnet(site: Site, stage: str) -> None:
    ec2 = site.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    gate_id = open_gate(site, stage, subnet_id=subnet)
    (found,) = ec2.describe_security_groups(GroupIds=[gate_id])["SecurityGroups"]
    assert found["VpcId"] == vpc


@on(MEMORY, MOTO, LAB)
def test_gates_are_found_by_their_tags_until_they_are_closed(site: Site, stage: str) -> None:
    gates, gate_id = site.cloud.gates, open_gate(site, stage)
    assert [one.gate_id for one in gates.tagged({names.GATE_TAG: stage})] == [gate_id]
    for _ in range(2):
        gates.close(gate_id)
    assert gates.tagged({names.GATE_TAG: stage}) == []


@on(MEMORY, LAB)
def test_a_gate_is_not_closed_before_the_machine_is_gone_that_has_it(site: Site, stage: str) -> None:
    gate_id = open_gate(site, stage)
    machine = site.launch(stage, security_group_ids=(gate_id,), tags={names.GATE_TAG: gate_id})
    with pytest.raises(GateInUse):
        site.cloud.gates.close(gate_id)
    site.cloud.machines.terminate(machine.instance_id)
    site.forward(60)
    site.cloud.gates.close(gate_id)
    assert site.cloud.gates.tagged({names.GATE_TAG: stage}) == []


@on(MOTO)
def test_a_gate_that_a_machine_has_is_let_go_by_moto_alone(site: Site, stage: str) -> None:
    gate_id = open_gate(site, stage)
    site.launch(stage, security_group_ids=(gate_id,))
    site.cloud.gates.close(gate_id)
