"""Machines that are stopped and started again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lab.lab import Lab
from lab.machines import Machine, processes_of
from tests.lab.test_machines import until
from tests.support.clouds.fleet import Recorder

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import NewMachine
from comfyfleet.ops import dev_gpu
from comfyfleet.ops.wiring import aws_cloud

MACHINE = Path(__file__).parents[2] / "infrastructure/machine"
DEV_NODE = "comfyfleet-dev-node.service"
UNIT = """\
[Unit]
Description=Counts its starts
[Service]
ExecStart=/usr/local/bin/count-starts
[Install]
WantedBy=multi-user.target
"""
PROGRAM = """\
#!/bin/sh
echo start >>/opt/starts
trap 'echo end >>/opt/starts; exit 0' TERM
while :; do
    sleep 600 &
    wait
done
"""
USER_DATA = (
    "#!/bin/sh\necho told >>/opt/told\ntouch /run/volatile\nsystemctl enable counting\nsystemctl start counting\n"
)


@pytest.fixture
def furnished(tmp_path: Path) -> Iterator[Lab]:
    """A lab whose machines have services that count their starts, one of them in the place of ComfyUI."""
    base = tmp_path / "base"
    for name in ("etc/systemd/system", "usr/local/bin", "opt/comfyui/bin"):
        (base / name).mkdir(parents=True)
    units = base / "etc/systemd/system"
    for name in ("counting.service", names.COMFYUI_SERVICE):
        (units / name).write_text(UNIT)
    (units / DEV_NODE).write_text((MACHINE / "units" / DEV_NODE).read_text())
    (units / "multi-user.target.wants").mkdir()
    (units / "multi-user.target.wants" / DEV_NODE).symlink_to(f"../{DEV_NODE}")
    (base / "usr/local/bin/count-starts").write_text(PROGRAM.replace("/opt", '"$MACHINE_ROOT"/opt'))
    (base / "usr/local/bin/count-starts").chmod(0o755)
    with Lab(tmp_path / "lab", base=base) as lab:
        yield lab


def launch(lab: Lab, **more: Any) -> Machine:
    network = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    found = lab.client("ec2").run_instances(
        ImageId=lab.base_image_id, MinCount=1, MaxCount=1, NetworkInterfaces=[network], UserData=USER_DATA, **more
    )
    machine = lab.machines.running[found["Instances"][0]["InstanceId"]]
    until(lambda: starts(machine) == ["start"], "the first start of the service")
    return machine


def starts(machine: Machine) -> list[str]:
    path = machine.root / "opt/starts"
    return path.read_text().splitlines() if path.exists() else []


def record(lab: Lab, machine: Machine) -> dict[str, Any]:
    pages = lab.client("ec2").describe_instances(InstanceIds=[machine.instance_id])["Reservations"]
    return dict(pages[0]["Instances"][0])


def test_a_stopped_machine_keeps_its_disk_and_boots_again_with_another_public_address(furnished: Lab) -> None:
    ec2, machine = furnished.client("ec2"), launch(furnished)
    which, before = {"InstanceIds": [machine.instance_id]}, record(furnished, machine)
    ec2.stop_instances(**which)
    stopped = record(furnished, machine)
    assert (stopped["State"]["Name"], "PublicIpAddress" in stopped) == ("stopped", False)
    assert machine.instance_id not in furnished.machines.running
    assert processes_of(machine.root) == []
    assert starts(machine) == ["start", "end"]

    ec2.start_instances(**which)
    again, after = furnished.machines.running[machine.instance_id], record(furnished, machine)
    until(lambda: starts(again) == ["start", "end", "start"], "the second start of the service")
    assert after["State"]["Name"] == "running"
    assert after["PublicIpAddress"] != before["PublicIpAddress"]
    assert after["PrivateIpAddress"] == before["PrivateIpAddress"]
    assert again.root == machine.root
    assert not (again.root / "run/volatile").exists()
    assert (again.root / "opt/told").read_text() == "told\n"


def test_a_started_machine_knows_itself_and_takes_commands(furnished: Lab) -> None:
    ec2, ssm, machine = furnished.client("ec2"), furnished.client("ssm"), launch(furnished)
    ec2.stop_instances(InstanceIds=[machine.instance_id])
    with pytest.raises(ClientError, match="InvalidInstanceId"):
        say(furnished, machine, "true")
    ec2.start_instances(InstanceIds=[machine.instance_id])
    script = (
        'token=$(curl -sX PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" '
        '"$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token"); curl -s -H "X-aws-ec2-metadata-token: $token" '
        '"$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/instance-id"'
    )
    command_id = say(furnished, machine, script)
    furnished.commands.wait()
    found = ssm.get_command_invocation(CommandId=command_id, InstanceId=machine.instance_id)
    assert found["StandardOutputContent"] == machine.instance_id


def say(lab: Lab, machine: Machine, script: str) -> str:
    sent = lab.client("ssm").send_command(
        DocumentName="AWS-RunShellScript", InstanceIds=[machine.instance_id], Parameters={"commands": [script]}
    )
    return str(sent["Command"]["CommandId"])


def test_what_ended_and_what_is_a_spot_machine_cannot_be_stopped(furnished: Lab) -> None:
    ec2, ended = furnished.client("ec2"), launch(furnished)
    ec2.terminate_instances(InstanceIds=[ended.instance_id])
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.stop_instances(InstanceIds=[ended.instance_id])
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[ended.instance_id])
    spot = launch(furnished, InstanceMarketOptions={"MarketType": "spot"})
    with pytest.raises(ClientError, match="UnsupportedOperation"):
        ec2.stop_instances(InstanceIds=[spot.instance_id])
    assert spot.instance_id in furnished.machines.running


def test_a_stopped_machine_of_a_group_is_replaced_and_ends(lab: Lab, group: str) -> None:
    scaling = lab.client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=1)
    lab.clock.forward(seconds=30)
    (first,) = lab.machines.running
    lab.client("ec2").stop_instances(InstanceIds=[first])
    lab.clock.forward(seconds=40)
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]["Instances"]
    assert [one["LifecycleState"] for one in found] == ["InService"]
    assert found[0]["InstanceId"] != first
    pages = lab.client("ec2").describe_instances(InstanceIds=[first])["Reservations"]
    assert pages[0]["Instances"][0]["State"]["Name"] == "terminated"


def test_a_dev_node_that_was_stopped_comes_up_again_and_halts_after_its_hours_as_before(
    furnished: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in furnished.environment().items():
        monkeypatch.setenv(name, value)
    cloud, ec2 = aws_cloud("staging", None, names.DEFAULT_PREFIX), furnished.client("ec2")
    tags = {names.ROLE_TAG: names.DEV_NODE_ROLE, names.OWNER_TAG: "ada"}
    told = dev_gpu.user_data(1, is_public=False)
    new = NewMachine("dev", furnished.base_image_id, ("g5.xlarge",), tags, user_data=told, stops_itself=False)
    instance_id = cloud.machines.launch(new, token="dev").instance_id
    machine = furnished.machines.running[instance_id]
    until(lambda: starts(machine) == ["start"], "the first start of ComfyUI")

    furnished.clock.forward(minutes=50)
    plan = dev_gpu.plan_stop(instance_id, cloud, keeps_disk=True)
    assert dev_gpu.apply_stop(plan, cloud, Recorder()).state == "stopping"
    assert [node.state for node in dev_gpu.dev_nodes(cloud)] == ["stopped"]
    ec2.start_instances(InstanceIds=[instance_id])
    until(lambda: starts(machine) == ["start", "end", "start"], "the second start of ComfyUI")
    until((machine.root / "run/shutdown").exists, "the word about its end")
    furnished.clock.forward(minutes=58)
    assert [node.state for node in dev_gpu.dev_nodes(cloud)] == ["running"]
    furnished.clock.forward(minutes=4)
    assert [node.state for node in dev_gpu.dev_nodes(cloud)] == ["stopped"]
    cloud.machines.terminate(instance_id)
    assert dev_gpu.dev_nodes(cloud) == []
