"""What a machine is provisioned with, in one archive: its installer's folder, our wheel, and the lock of its needs."""

import gzip
import io
import tarfile
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from comfyfleet.ops.errors import TargetInvalid

INSTALLER: Final = "install.sh"
REQUIREMENTS: Final = "worker.txt"
_MAX_BYTES: Final = 200_000_000


@dataclass(frozen=True)
class Package:
    """An archive with `machine/` and one wheel. The same files give the same bytes."""

    content: bytes = field(repr=False)
    sha256: str
    wheel: str


def build_package(folder: Path, wheel: Path, requirements: Path) -> Package:
    """Return the package of an installer's folder, a wheel, and the lock of what the wheel needs.

    Raises:
        TargetInvalid: One of them is not there, or they are too large.
    """
    if not (folder / INSTALLER).is_file():
        raise TargetInvalid(
            f"There is no {folder / INSTALLER}.", hint="Run it in a checkout, or give --machine-folder."
        )
    if wheel.suffix != ".whl" or not wheel.is_file():
        raise TargetInvalid(f"There is no wheel {wheel}.", hint="Build it: pip wheel --no-deps -w dist .")
    if not requirements.is_file():
        raise TargetInvalid(f"There is no {requirements}.", hint="Run it in a checkout, or give --requirements.")
    files = [(f"machine/{path.relative_to(folder).as_posix()}", path) for path in sorted(folder.rglob("*"))]
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, path in [*files, (f"machine/{REQUIREMENTS}", requirements), (wheel.name, wheel)]:
            if path.is_file():
                _add(tar, name, path)
    content = buffer.getvalue()
    if len(content) > _MAX_BYTES:
        raise TargetInvalid(f"The package has {len(content):,} bytes.", hint="Models do not belong into its folder.")
    return Package(content, sha256(content).hexdigest(), wheel.name)


def newest_wheel(folder: Path) -> Path:
    """Return the newest wheel of ours in a folder; raise `TargetInvalid` when there is none."""
    wheels = sorted(folder.glob("comfyfleet-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        raise TargetInvalid(f"There is no wheel in {folder}.", hint="Build it: pip wheel --no-deps -w dist .")
    return wheels[-1]


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    content = path.read_bytes()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if path.suffix == ".sh" else 0o644
    tar.addfile(member, io.BytesIO(content))
