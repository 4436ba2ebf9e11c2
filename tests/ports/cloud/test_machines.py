"""`Machines` on EC2. moto keeps their records and starts none."""

from pathlib import Path

import pytest
from lab.lab import Lab
from lab.machines import processes_of
from tests.lab.test_machines import until
from tests.ports.cloud.sites import LAB, MEMORY, MOTO, Site, on
from tests.support.clouds.fleet import MemoryCloud

from comfyfleet import names
from comfyfleet.cloud.errors import NoCapacity
from comfyfleet.cloud.fleet_ports import MachineState

TYPES = ("g5.xlarge", "g6.xlarge", "g4dn.xlarge")
everywhere = on(MEMORY, MOTO, LAB)


def state(site: Site, instance_id: str) -> MachineState:
    found = site.cloud.machines.find(instance_id)
    return MachineState.TERMINATED if found is None else found.state


@everywhere
def test_a_machine_lives_and_ends(site: Site, stage: str) -> None:
    machine = site.launch(stage)
    assert (machine.image_id, machine.instance_type, machine.is_spot) == (site.image_id, "g5.xlarge", False)
    assert state(site, machine.instance_id) is MachineState.RUNNING
    for _ in range(2):
        site.cloud.machines.terminate(machine.instance_id)
    site.forward(60)
    assert state(site, machine.instance_id) is MachineState.TERMINATED
    assert site.cloud.machines.tagged({names.ROLE_TAG: stage}) == []


@everywhere
def test_the_same_token_gives_the_same_machine(site: Site, stage: str) -> None:
    machines, new = site.cloud.machines, site.new(stage)
    first, second = (machines.launch(new, token=f"token-{stage}") for _ in range(2))
    assert first.instance_id == second.instance_id
    assert len(machines.tagged({names.ROLE_TAG: stage})) == 1


@everywhere
def test_machines_are_found_by_all_their_tags(site: Site, stage: str) -> None:
    first, second = site.launch(stage, name="first"), site.launch(stage, name="second")
    site.launch(f"{stage}-other")
    tags = {names.ROLE_TAG: stage, names.FLEET_TAG: "gpu-default"}
    found = site.cloud.machines.tagged(tags)
    assert {one.instance_id for one in found} == {first.instance_id, second.instance_id}
    assert {one.tags["Name"] for one in found} == {"first", "second"}
    assert site.cloud.machines.tagged(tags | {names.FLEET_TAG: "another"}) == []


@everywhere
@pytest.mark.parametrize("instance_id", ["i-0123456789abcdef0", "nothing"])
def test_a_machine_that_never_was_is_none(site: Site, instance_id: str) -> None:
    assert site.cloud.machines.find(instance_id) is None


@everywhere
def test_a_stopped_machine_is_kept(site: Site, stage: str) -> None:
    machine = site.launch(stage)
    for _ in range(2):
        site.cloud.machines.stop(machine.instance_id)
    assert state(site, machine.instance_id) in {MachineState.STOPPING, MachineState.STOPPED}
    assert [one.instance_id for one in site.cloud.machines.tagged({names.ROLE_TAG: stage})] == [machine.instance_id]


@everywhere
def test_no_type_at_all_is_no_capacity(site: Site, stage: str) -> None:
    new = site.new(stage)
    with pytest.raises(NoCapacity):
        site.cloud.machines.launch(type(new)(new.name, new.image_id, (), new.tags), token=stage)


@on(MEMORY, LAB)
def test_types_are_tried_in_turn_until_one_can_be_had(site: Site, stage: str, lab: Lab, memory: MemoryCloud) -> None:
    memory.machines.without_capacity |= set(TYPES[:2])
    with lab.without_capacity(*TYPES[:2]):
        assert site.launch(stage, *TYPES).instance_type == TYPES[2]
        with pytest.raises(NoCapacity):
            site.launch(f"{stage}-other", *TYPES[:2])
    assert site.cloud.machines.tagged({names.ROLE_TAG: f"{stage}-other"}) == []


@on(LAB)
def test_a_launch_that_found_no_capacity_succeeds_with_the_same_token_later(site: Site, stage: str, lab: Lab) -> None:
    new = site.new(stage, *TYPES)
    with lab.without_capacity(), pytest.raises(NoCapacity, match=r"g5\.xlarge: .* g6\.xlarge: .* g4dn\.xlarge: "):
        site.cloud.machines.launch(new, token=stage)
    assert site.cloud.machines.launch(new, token=stage).instance_type == TYPES[0]


@on(LAB)
def test_what_a_machine_is_told_stands_above_its_template_and_runs_there(
    site: Site, stage: str, lab: Lab, template: str
) -> None:
    script = '#!/bin/sh\necho "$HOME" >told\nexec sleep 600\n'
    machine = site.launch(
        stage, "g6.xlarge", template=template, user_data=script, disk_gib=100, has_public_address=True
    )
    assert machine.instance_type == "g6.xlarge"
    assert machine.public_address is not None
    root = lab.machines.running[machine.instance_id].root
    until((root / "told").exists, "the word of the user data")
    assert processes_of(root)
    site.cloud.machines.terminate(machine.instance_id)
    assert processes_of(root) == []


@pytest.mark.parametrize(("stops_itself", "expected"), [(True, MachineState.TERMINATED), (False, MachineState.STOPPED)])
@on(LAB)
def test_a_machine_that_halts_by_itself_ends_or_stops_as_it_was_launched(
    site: Site, stage: str, lab: Lab, stops_itself: bool, expected: MachineState
) -> None:
    script = "#!/bin/sh\nmkdir -p /opt\necho here >/opt/kept\nshutdown -h +10\n"
    machine = site.launch(stage, user_data=script, stops_itself=stops_itself)
    running = lab.machines.running[machine.instance_id]
    running.children[0].wait(60)
    site.forward(8 * 60)
    assert state(site, machine.instance_id) is MachineState.RUNNING
    site.forward(3 * 60)
    assert state(site, machine.instance_id) is expected
    assert (running.root / "opt/kept").exists()
    assert processes_of(running.root) == []


@on(MOTO)
def test_credentials_of_a_machine_are_out_of_reach_of_what_only_forwards(site: Site, stage: str) -> None:
    machine = site.launch(stage)
    pages = site.client("ec2").describe_instances(InstanceIds=[machine.instance_id])["Reservations"]
    options = pages[0]["Instances"][0]["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)


@on(MOTO)
def test_a_machine_runs_at_once_and_what_it_is_told_is_only_kept_where_moto_pretends_to_start_it(
    site: Site, stage: str, tmp_path: Path
) -> None:
    machine = site.launch(stage, user_data=f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    assert machine.state is MachineState.RUNNING
    assert not (tmp_path / "ran").exists()
