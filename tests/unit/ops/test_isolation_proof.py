"""The proof that ComfyUI is kept from the machine's role, run by bash with programs in systemd's and curl's place."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.clouds.commands import write_programs

from comfyfleet import names
from comfyfleet.ops.bake import scripts

UNIT = Path(__file__).parents[3] / "infrastructure" / "machine" / "units" / names.COMFYUI_SERVICE
PROGRAMS = {
    # What runs within the unit has INSIDE in its environment.
    "systemctl": """case $1 in
cat) cat "$UNIT" ;;
start) cp "$ROOT/etc/systemd/system/$2" "$ROOT/ran.service"
    line=$(grep ^ExecStart= "$ROOT/ran.service" | tail -n 1)
    INSIDE=1 ${line#ExecStart=}
    echo $? >"$ROOT/code"
    exit $(cat "$ROOT/code") ;;
show) cat "$ROOT/code" ;;
esac""",
    "curl": """case "$*" in
*system_stats*) exit ${COMFYUI_CODE:-0} ;;
*fd00*) exit 7 ;;
esac
[ -n "${INSIDE:-}" ] && exit $METADATA_INSIDE
echo told && exit $METADATA_OUTSIDE""",
    "id": 'if [ -n "${INSIDE:-}" ]; then echo $USER_INSIDE; else echo 0; fi',
    "head": 'if [ -n "${INSIDE:-}" ]; then exit $SECRET_INSIDE; fi; exec /usr/bin/head "$@"',
    "journalctl": "echo the unit said something",
}
KEPT = {"USER_INSIDE": "998", "METADATA_INSIDE": "28", "METADATA_OUTSIDE": "0", "SECRET_INSIDE": "1"}
"""What is seen on a machine on which all is as it should be."""


@dataclass(frozen=True)
class Machine:
    """A folder that stands for a machine's disk."""

    root: Path

    @property
    def secret(self) -> Path:
        """Where the worker's environment will be."""
        return self.root / names.WORKER_ENVIRONMENT[1:]

    def prove(self, **seen: str) -> "subprocess.CompletedProcess[str]":
        """Run the proof."""
        text = re.sub(r"(?<![\w.-])/(opt|etc)(?![\w.-])", rf"{self.root}/\1", scripts.prove_isolation().text)
        path = f"{self.root / 'programs'}:{os.environ['PATH']}"
        environment = {"PATH": path, "ROOT": str(self.root), "UNIT": str(UNIT), **KEPT, **seen}
        return subprocess.run(
            ["bash", "-c", text], env=environment, cwd=self.root, capture_output=True, text=True, check=False
        )

    def files(self) -> set[str]:
        """Return what is on the disk."""
        made = {path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file()}
        return {str(path) for path in made if path.parts[0] in {"opt", "etc"}}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("opt/comfyui/bin", "etc/systemd/system"):
        (tmp_path / name).mkdir(parents=True)
    write_programs(tmp_path / "programs", PROGRAMS)
    return Machine(tmp_path)


def test_a_machine_that_keeps_comfyui_away_is_passed_and_left_as_it_was(machine: Machine) -> None:
    done = machine.prove()
    assert (done.returncode, done.stderr) == (0, "")
    assert "neither the machine's role nor" in done.stdout
    assert machine.files() == set()


def test_a_connection_that_is_refused_is_as_good_as_one_that_is_not_answered(machine: Machine) -> None:
    assert machine.prove(METADATA_INSIDE="7").returncode == 0


def test_it_is_comfyuis_own_unit_that_runs_the_proof(machine: Machine) -> None:
    machine.prove()
    ran = (machine.root / "ran.service").read_text()
    assert ran.startswith(UNIT.read_text())
    assert ran.rsplit("[Service]\n", 1)[1].splitlines()[:3] == ["Type=oneshot", "Restart=no", "ExecStart="]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"METADATA_INSIDE": "0"}, "reaches the metadata service"),
        ({"SECRET_INSIDE": "0"}, "can read .*opt/worker/env"),
        ({"USER_INSIDE": "0"}, "run as root"),
        ({"METADATA_OUTSIDE": "7"}, "does not answer root"),
        ({"COMFYUI_CODE": "7"}, r"not to be found out \(11\)"),
        ({"METADATA_INSIDE": "127"}, r"not to be found out \(14\)"),
        ({"UNIT": "/nowhere"}, "does not tell how it runs"),
    ],
    ids=["role", "token", "root", "no metadata", "cannot ask", "no curl", "no unit"],
)
def test_whatever_else_is_seen_refuses_the_image_in_words(machine: Machine, seen: dict[str, str], words: str) -> None:
    done = machine.prove(**seen)
    assert done.returncode == 1
    assert re.search(words, done.stdout)
    assert machine.files() == set()


def test_a_worker_environment_that_is_there_stays_there(machine: Machine) -> None:
    machine.secret.parent.mkdir(parents=True)
    machine.secret.write_text("FLEET_SECRET=one")
    assert machine.prove().returncode == 0
    assert machine.secret.read_text() == "FLEET_SECRET=one"
