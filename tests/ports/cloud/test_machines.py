"""`Machines` and `Images` on EC2, of which moto keeps the records."""

from uuid import uuid4

import pytest

from comfyfleet import names
from comfyfleet.cloud.aws.images import Ec2Images
from comfyfleet.cloud.aws.machines import Ec2Machines
from comfyfleet.cloud.errors import NoCapacity
from comfyfleet.cloud.fleet_ports import ImageState, Machine, MachineState, NewMachine

pytestmark = pytest.mark.usefixtures("aws")


def machine_of(image_id: str, role: str, *types: str) -> NewMachine:
    tags = {names.ROLE_TAG: role, names.FLEET_TAG: "gpu-default"}
    return NewMachine("a machine", image_id, types or ("g5.xlarge",), tags, user_data="#!/bin/sh\n", disk_gib=100)


def launch(image_id: str, role: str) -> Machine:
    return Ec2Machines().launch(machine_of(image_id, role), token=uuid4().hex)


def test_a_machine_lives_and_ends(image_id: str, stage: str) -> None:
    machines = Ec2Machines()
    machine = launch(image_id, stage)
    assert (machine.image_id, machine.instance_type, machine.is_spot) == (image_id, "g5.xlarge", False)
    assert machines.find(machine.instance_id) is not None
    machines.terminate(machine.instance_id)
    machines.terminate(machine.instance_id)
    found = machines.find(machine.instance_id)
    assert found is None or found.state is MachineState.TERMINATED
    assert machines.tagged({names.ROLE_TAG: stage}) == []


def test_the_same_token_gives_the_same_machine(image_id: str, stage: str) -> None:
    machines, new = Ec2Machines(), machine_of(image_id, stage)
    first, second = (machines.launch(new, token=f"token-{stage}") for _ in range(2))
    assert first.instance_id == second.instance_id
    assert len(machines.tagged({names.ROLE_TAG: stage})) == 1


def test_machines_are_found_by_all_their_tags(image_id: str, stage: str) -> None:
    first, second = launch(image_id, stage), launch(image_id, stage)
    launch(image_id, f"{stage}-other")
    tags = {names.ROLE_TAG: stage, names.FLEET_TAG: "gpu-default"}
    assert {one.instance_id for one in Ec2Machines().tagged(tags)} == {first.instance_id, second.instance_id}
    assert Ec2Machines().tagged(tags | {names.FLEET_TAG: "another"}) == []


def test_credentials_of_a_machine_are_out_of_reach_of_what_only_forwards(image_id: str, stage: str) -> None:
    machine = launch(image_id, stage)
    ec2 = Ec2Machines()._ec2
    described = ec2.describe_instances(InstanceIds=[machine.instance_id])["Reservations"][0]["Instances"][0]
    assert described["MetadataOptions"]["HttpTokens"] == "required"
    assert described["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_a_stopped_machine_is_kept(image_id: str, stage: str) -> None:
    machine = launch(image_id, stage)
    Ec2Machines().stop(machine.instance_id)
    found = Ec2Machines().find(machine.instance_id)
    assert found is not None
    assert found.state in {MachineState.STOPPING, MachineState.STOPPED}


@pytest.mark.parametrize("instance_id", ["i-0123456789abcdef0", "nothing"])
def test_a_machine_that_never_was_is_none(instance_id: str) -> None:
    assert Ec2Machines().find(instance_id) is None


def test_no_type_at_all_is_no_capacity(image_id: str, stage: str) -> None:
    new = NewMachine("a machine", image_id, (), {names.ROLE_TAG: stage})
    with pytest.raises(NoCapacity):
        Ec2Machines().launch(new, token=stage)


def test_an_image_is_made_found_and_removed_though_moto_copies_no_disk(image_id: str, stage: str) -> None:
    images = Ec2Images()
    made = images.create(launch(image_id, stage).instance_id, f"image-{stage}", {names.FLEET_TAG: stage})
    found = images.find(made)
    assert found is not None
    assert (found.name, found.state, found.tags[names.FLEET_TAG]) == (f"image-{stage}", ImageState.AVAILABLE, stage)
    assert [one.image_id for one in images.tagged({names.FLEET_TAG: stage})] == [made]
    for _ in range(2):
        images.delete(made)
    assert images.find(made) is None


def test_an_image_takes_its_snapshots_with_it(image_id: str, stage: str) -> None:
    images = Ec2Images()
    made = images.create(launch(image_id, stage).instance_id, f"image-{stage}", {names.FLEET_TAG: stage})
    described = images._ec2.describe_images(ImageIds=[made])["Images"][0]
    snapshots = {mapping["Ebs"]["SnapshotId"] for mapping in described["BlockDeviceMappings"]}
    images.delete(made)
    left = {one["SnapshotId"] for one in images._ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert snapshots
    assert snapshots.isdisjoint(left)


def test_an_image_that_a_template_names_is_told(template: str, image_id: str) -> None:
    assert image_id in Ec2Images().in_templates()
