"""Machines that start anew, that die, and whose clocks are real."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from lab.clock import Clock
from lab.lab import Lab
from lab.machines import Machine, processes_of
from tests.lab.test_machines import PROGRAM, SERVICE, launch, run, said, until

GOODBYE = """\
#!/bin/sh
trap 'echo goodbye; exit' TERM
echo hello
while :; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose image has a service."""
    base = tmp_path_factory.mktemp("base")
    for name in ("etc/systemd/system", "usr/local/bin", "opt/worker"):
        (base / name).mkdir(parents=True)
    (base / "etc/systemd/system/say-name.service").write_text(SERVICE)
    (base / "usr/local/bin/say-name").write_text(PROGRAM)
    (base / "usr/local/bin/say-name").chmod(0o755)
    (base / "opt/worker/env").write_text("NAME=a\n")
    with Lab(tmp_path_factory.mktemp("lab"), base=base) as lab:
        yield lab


@pytest.fixture
def machine(furnished: Lab) -> Machine:
    """A machine with a service that says goodbye when it has the time, is enabled, and runs."""
    found = launch(furnished)
    (found.root / "usr/local/bin/say-name").write_text(GOODBYE)
    (found.root / "tmp/passing").touch()
    assert run(furnished, found, "systemctl enable say-name.service; systemctl start say-name.service")["Status"]
    until(lambda: said(found) == ["hello"], "the first start")
    return found


def test_a_reboot_ends_services_in_good_order_and_starts_what_is_enabled(furnished: Lab, machine: Machine) -> None:
    address, before = machine.address, {process.pid for process in processes_of(machine.root)}
    furnished.client("ec2").reboot_instances(InstanceIds=[machine.instance_id])
    until(lambda: said(machine) == ["hello", "goodbye", "hello"], "the second start")
    assert not before & {process.pid for process in processes_of(machine.root)}
    assert not (machine.root / "tmp/passing").exists()
    assert furnished.machines.running[machine.instance_id].address == address
    [found] = furnished.client("ec2").describe_instances(InstanceIds=[machine.instance_id])["Reservations"]
    assert found["Instances"][0]["State"]["Name"] == "running"


def test_a_crash_lets_nobody_say_goodbye(furnished: Lab, machine: Machine) -> None:
    furnished.crash(machine.instance_id)
    until(lambda: said(machine) == ["hello", "hello"], "the second start")


def test_user_data_is_not_run_again(furnished: Lab) -> None:
    found = furnished.client("ec2").run_instances(
        ImageId=furnished.base_image_id, MinCount=1, MaxCount=1, UserData="#!/bin/sh\necho once >> /opt/times\n"
    )
    machine = furnished.machines.running[found["Instances"][0]["InstanceId"]]
    times = machine.root / "opt/times"
    until(times.exists, "the first start")
    run(furnished, machine, "systemctl enable say-name.service")
    furnished.crash(machine.instance_id)
    until(lambda: bool(said(machine)), "the second start")
    assert times.read_text() == "once\n"


def test_a_machine_that_ends_while_it_starts_anew_stays_ended(furnished: Lab, machine: Machine) -> None:
    furnished.client("ec2").reboot_instances(InstanceIds=[machine.instance_id])
    furnished.lose(machine.instance_id)
    until(lambda: processes_of(machine.root) == [], "the end of all processes")
    assert machine.instance_id not in furnished.machines.running


def test_how_often_a_service_was_started_again_is_counted_from_its_start(furnished: Lab, machine: Machine) -> None:
    def shown() -> str:
        text = run(furnished, machine, "systemctl show -p NRestarts --value say-name.service")["StandardOutputContent"]
        return str(text).strip()

    assert shown() == "0"
    (machine.root / "usr/local/bin/say-name").write_text("#!/bin/sh\nexit 1\n")
    run(furnished, machine, "systemctl restart say-name.service")
    until(lambda: int(shown()) >= 3, "the third start")
    assert run(furnished, machine, "systemctl show say-name.service")["ResponseCode"] == 1


def test_a_machine_shows_the_document_of_another_account(furnished: Lab, machine: Machine) -> None:
    furnished.show_account(machine.instance_id, "999999999999")
    base = f"{machine.metadata.url}/latest"
    token = httpx.put(f"{base}/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}, timeout=60).text
    page = httpx.get(
        f"{base}/dynamic/instance-identity/document", headers={"X-aws-ec2-metadata-token": token}, timeout=60
    )
    shown = json.loads(page.text)
    assert (shown["accountId"], shown["instanceId"]) == ("999999999999", machine.instance_id)


def test_programs_are_told_times_of_their_own_clock() -> None:
    fast = Clock(speed=60)
    fast.forward(minutes=30)
    left = fast.on_machines(fast.now() + timedelta(minutes=2)) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=2)
    still = Clock()
    assert still.on_machines(still.now()) == still.now()
