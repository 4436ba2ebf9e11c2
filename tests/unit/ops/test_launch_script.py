import os
import subprocess
from pathlib import Path

from tests.support.clouds.commands import write_programs

SCRIPT = Path(__file__).parents[3] / "infrastructure" / "dev-gpu" / "launch.sh"


def launched(tmp_path: Path, *arguments: str, **environment: str) -> list[str]:
    write_programs(tmp_path, {"comfyfleet": 'printf "%s\\n" "$@"'})
    path = f"{tmp_path}:{os.environ['PATH']}"
    run = subprocess.run(
        [SCRIPT, *arguments], env={"PATH": path, **environment}, capture_output=True, text=True, check=True
    )
    return run.stdout.splitlines()


def test_the_script_launches_the_default_fleet_of_staging(tmp_path: Path) -> None:
    assert launched(tmp_path) == ["devnode", "launch", "gpu-default", "--stage", "staging"]


def test_the_script_takes_what_the_runbook_sets(tmp_path: Path) -> None:
    words = launched(tmp_path, "--yes", FLEET_SLUG="gpu-b", STAGE="production", AMI_ID="ami-1 x", CIDR="203.0.113.7/32")
    fleet = ["devnode", "launch", "gpu-b", "--stage", "production"]
    assert words == [*fleet, "--ami", "ami-1 x", "--cidr", "203.0.113.7/32", "--yes"]


def test_the_script_says_what_lacks() -> None:
    run = subprocess.run([SCRIPT], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert run.returncode == 127
    assert "COMFYFLEET_BIN" in run.stderr
