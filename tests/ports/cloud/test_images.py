"""`Images` on EC2. moto keeps their records and copies no disk."""

from uuid import uuid4

from lab.lab import Lab
from tests.ports.cloud.sites import LAB, MEMORY, MOTO, Site, on

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import ImageState, ParameterKind

everywhere = on(MEMORY, MOTO, LAB)


def make(site: Site, stage: str, name: str = "image") -> str:
    instance_id = site.launch(stage, name=name).instance_id
    image_id = site.cloud.images.create(instance_id, f"{name}-{stage}", {names.FLEET_TAG: stage})
    site.forward(600)
    return image_id


@everywhere
def test_an_image_is_made_found_and_removed(site: Site, stage: str) -> None:
    images, made = site.cloud.images, make(site, stage)
    found = images.find(made)
    assert found is not None
    assert (found.name, found.state, found.tags[names.FLEET_TAG]) == (f"image-{stage}", ImageState.AVAILABLE, stage)
    assert [one.image_id for one in images.tagged({names.FLEET_TAG: stage})] == [made]
    for _ in range(2):
        images.delete(made)
    assert images.find(made) is None
    assert images.tagged({names.FLEET_TAG: stage}) == []


@everywhere
def test_an_image_that_never_was_is_none(site: Site) -> None:
    assert site.cloud.images.find("ami-0123456789abcdef0") is None


@on(LAB)
def test_an_image_has_what_was_on_the_machine(site: Site, stage: str, lab: Lab) -> None:
    machine = site.launch(stage)
    (lab.machines.running[machine.instance_id].root / "opt").mkdir()
    (lab.machines.running[machine.instance_id].root / "opt/file").write_text("model\n")
    image_id = site.cloud.images.create(machine.instance_id, f"disk-{stage}", {names.FLEET_TAG: stage})
    site.cloud.machines.terminate(machine.instance_id)
    copy = site.launch(stage, image_id=image_id, name="copy")
    assert (lab.machines.running[copy.instance_id].root / "opt/file").read_text() == "model\n"


@on(MOTO, LAB)
def test_an_image_takes_its_snapshots_with_it(site: Site, stage: str) -> None:
    made, ec2 = make(site, stage), site.client("ec2")
    described = ec2.describe_images(ImageIds=[made])["Images"][0]
    snapshots = {mapping["Ebs"]["SnapshotId"] for mapping in described["BlockDeviceMappings"]}
    site.cloud.images.delete(made)
    left = {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert snapshots
    assert snapshots.isdisjoint(left)


@on(MOTO, LAB)
def test_an_image_that_a_template_names_is_told(site: Site, template: str) -> None:
    assert template
    assert site.image_id in site.cloud.images.in_templates()


@on(LAB)
def test_an_image_that_a_template_names_by_a_parameter_is_told(site: Site, stage: str) -> None:
    made, parameter = make(site, stage), names.image_parameter(stage, "gpu-default")
    site.cloud.parameters.put(parameter, made, kind=ParameterKind.IMAGE)
    data = {"ImageId": f"resolve:ssm:{parameter}"}
    site.client("ec2").create_launch_template(LaunchTemplateName=f"lt-{stage}", LaunchTemplateData=data)
    assert made in site.cloud.images.in_templates()


@on(MOTO)
def test_the_parameter_in_a_template_stays_one_where_moto_only_pretends_to_resolve_it(site: Site) -> None:
    name = f"/bp/{uuid4().hex}"
    site.cloud.parameters.put(name, site.image_id)
    data = {"ImageId": f"resolve:ssm:{name}"}
    site.client("ec2").create_launch_template(LaunchTemplateName=f"lt-{uuid4().hex[:8]}", LaunchTemplateData=data)
    assert f"resolve:ssm:{name}" in site.cloud.images.in_templates()
