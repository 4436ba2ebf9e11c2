"""Machines of the lab: our units run on them, a copy of a disk stands by itself, and nothing leaves their folder."""

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lab.guest.disk import check_removals, moved, relocate
from lab.lab import Lab
from lab.machines import Machine, processes_of

from comfyfleet import names
from comfyfleet.ops.bake.scripts import prove_isolation

SERVICE = """\
[Unit]
Description=Says its name
[Service]
EnvironmentFile=/opt/worker/env
Environment=COLOUR=red
ExecStart=/usr/local/bin/say-name loudly
Restart=always
RestartSec=0.1
CacheDirectory=say-name
"""
PROGRAM = """\
#!/bin/sh
echo "$NAME $COLOUR $1 ${LEAKED:-nothing}"
exec sleep 600
"""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A base image with one service, which the units of ours stand beside."""
    base = tmp_path / "base"
    for name in ("etc/systemd/system", "usr/local/bin", "opt/worker"):
        (base / name).mkdir(parents=True)
    (base / "etc/systemd/system/say-name.service").write_text(SERVICE)
    (base / "usr/local/bin/say-name").write_text(PROGRAM)
    (base / "usr/local/bin/say-name").chmod(0o755)
    (base / "opt/worker/env").write_text('NAME="a \\"b\\""\n')
    return base


@pytest.fixture
def furnished(tmp_path: Path, disk: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab", base=disk) as lab:
        yield lab


def launch(lab: Lab, image_id: str | None = None) -> Machine:
    found = lab.client("ec2").run_instances(ImageId=image_id or lab.base_image_id, MinCount=1, MaxCount=1)
    return lab.machines.running[found["Instances"][0]["InstanceId"]]


def run(lab: Lab, machine: Machine, script: str) -> dict[str, Any]:
    """Run a script on a machine by Run Command, to its end."""
    ssm = lab.client("ssm")
    sent = ssm.send_command(
        DocumentName="AWS-RunShellScript", InstanceIds=[machine.instance_id], Parameters={"commands": [script]}
    )
    asked = {"CommandId": sent["Command"]["CommandId"], "InstanceId": machine.instance_id}
    until(lambda: ssm.get_command_invocation(**asked)["Status"] != "InProgress", "the script's end")
    return dict(ssm.get_command_invocation(**asked))


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.05)


def said(machine: Machine) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return (machine.root / "var/log/journal/say-name.service.log").read_text().splitlines()
    return []


def test_a_service_runs_with_its_units_environment_and_nothing_else(furnished: Lab) -> None:
    machine = launch(furnished)
    started = run(furnished, machine, "export LEAKED=much; systemctl start say-name.service")
    assert (started["Status"], started["StandardErrorContent"]) == ("Success", "")
    until(lambda: said(machine) == ['a "b" red loudly nothing'], "the service's words")
    assert run(furnished, machine, "systemctl is-active say-name.service")["ResponseCode"] == 0
    assert (machine.root / "var/cache/say-name").is_dir()
    logged = run(furnished, machine, "journalctl -u say-name.service -n 5 --no-pager")
    assert logged["StandardOutputContent"] == 'a "b" red loudly nothing\n'


def test_a_service_that_dies_is_started_again_and_a_stopped_one_is_not(furnished: Lab) -> None:
    machine = launch(furnished)
    run(furnished, machine, "systemctl start say-name.service")
    until(lambda: len(said(machine)) == 1, "the first start")
    for process in processes_of(machine.root):
        if process.name() == "sleep":
            process.kill()
    until(lambda: len(said(machine)) == 2, "the second start")
    assert run(furnished, machine, "systemctl stop say-name.service")["Status"] == "Success"
    assert run(furnished, machine, "systemctl is-active say-name.service")["ResponseCode"] == 3
    assert [one for one in processes_of(machine.root) if one.name() == "sleep"] == []
    assert run(furnished, machine, "systemctl restart say-name.service")["Status"] == "Success"
    until(lambda: len(said(machine)) == 3, "the third start")


def test_what_systemd_does_not_know_is_refused(furnished: Lab) -> None:
    machine = launch(furnished)
    unknown = run(furnished, machine, "systemctl start no-such.service")
    assert (unknown["ResponseCode"], "not found" in unknown["StandardErrorContent"]) == (5, True)
    assert run(furnished, machine, "systemctl isolate say-name.service")["ResponseCode"] == 1


def test_it_is_not_proved_of_the_lab_that_comfyui_is_kept_from_the_role(furnished: Lab) -> None:
    (furnished.machines.image_folder(furnished.base_image_id) / "opt/comfyui/bin").mkdir(parents=True)
    done = run(furnished, launch(furnished), f"bash -c {shlex.quote(prove_isolation().text)}")
    assert done["Status"] == "Failed"
    assert "nothing can be proved" in done["StandardOutputContent"]


def test_a_machine_ends_all_of_its_services(furnished: Lab) -> None:
    machine = launch(furnished)
    run(furnished, machine, "systemctl start say-name.service")
    assert processes_of(machine.root)
    furnished.client("ec2").terminate_instances(InstanceIds=[machine.instance_id])
    assert processes_of(machine.root) == []


def test_an_image_stands_by_itself(furnished: Lab) -> None:
    first = launch(furnished)
    script = (
        "set -e; printf '#!%s/usr/local/bin/say-name\\n' \"$MACHINE_ROOT\" > /opt/worker/tool\n"
        "ln -s /usr/local/bin/say-name /opt/worker/link; echo here > /run/here; chmod 700 /opt/worker/tool"
    )
    assert run(furnished, first, script)["Status"] == "Success"
    image_id = furnished.client("ec2").create_image(InstanceId=first.instance_id, Name="copy")["ImageId"]
    second = launch(furnished, image_id)
    tool = second.root / "opt/worker/tool"
    assert (tool.read_text(), tool.stat().st_mode & 0o777) == (f"#!{second.root}/usr/local/bin/say-name\n", 0o700)
    assert (second.root / "opt/worker/link").readlink() == second.root / "usr/local/bin/say-name"
    assert not (second.root / "run/here").exists()
    assert first.address != second.address


def test_a_machine_halts_when_it_said_it_would(furnished: Lab) -> None:
    machine = launch(furnished)
    assert run(furnished, machine, "shutdown -h +10")["Status"] == "Success"
    furnished.clock.forward(minutes=9)
    assert machine.instance_id in furnished.machines.running
    furnished.clock.forward(minutes=2)
    assert machine.instance_id not in furnished.machines.running


def test_paths_and_comfyui_are_those_of_the_machine() -> None:
    text = 'MODELS="/opt/comfyui/models" rm -f /var/log/a.log "$root/opt/worker" http://127.0.0.1:8188/prompt /tmp/opt'
    assert moved(text, Path("/lab/m"), "127.20.0.3") == (
        'MODELS="/lab/m/opt/comfyui/models" rm -f /lab/m/var/log/a.log "$root/opt/worker" '
        "http://127.20.0.3:8188/prompt /tmp/opt"
    )
    assert moved(f"http://127.0.0.1:{names.COMFYUI_PORT}0", Path("/m"), "127.20.0.3").endswith("127.0.0.1:81880")


@pytest.mark.parametrize("words", ["rm -rf /usr/share", "cd /; rm -f /lab/other/file", "rm -r -f '/boot'"])
def test_a_script_removes_nothing_of_the_machine_that_the_lab_runs_on(words: str) -> None:
    with pytest.raises(Exception, match="which is not of this machine"):
        check_removals(words, Path("/lab/m"))
    check_removals('rm -rf /lab/m/root/.aws "$folder"; rm -f relative', Path("/lab/m"))


def test_such_a_script_is_refused_before_it_runs(furnished: Lab, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.touch()
    with pytest.raises(ClientError, match="LabRefused"):
        run(furnished, launch(furnished), f"rm -f {precious}")
    assert precious.exists()


def test_only_texts_and_links_are_relocated(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\0/old/place")
    (tmp_path / "outside").symlink_to("/usr/bin/env")
    (tmp_path / "text").write_text("/old/place/x")
    relocate(tmp_path, Path("/old/place"))
    assert (tmp_path / "binary").read_bytes() == b"\0/old/place"
    assert (tmp_path / "outside").readlink() == Path("/usr/bin/env")
    assert (tmp_path / "text").read_text() == f"{tmp_path}/x"
