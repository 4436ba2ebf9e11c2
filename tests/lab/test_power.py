"""Machines that are stopped and started again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lab.lab import Lab
from lab.machines import Machine, processes_of
from tests.lab.test_machines import until

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
sleep 600 &
wait
"""
USER_DATA = (
    "#!/bin/sh\necho told >>/opt/told\ntouch /run/volatile\nsystemctl enable counting\nsystemctl start counting\n"
)


@pytest.fixture
def furnished(tmp_path: Path) -> Iterator[Lab]:
    """A lab whose machines have a service that counts its starts."""
    base = tmp_path / "base"
    for name in ("etc/systemd/system", "usr/local/bin", "opt"):
        (base / name).mkdir(parents=True)
    (base / "etc/systemd/system/counting.service").write_text(UNIT)
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
