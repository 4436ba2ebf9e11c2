"""Small bundles, and a machine in a folder that applies them in this process."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from comfyfleet import names
from comfyfleet.cloud.local.source import DiskSource
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import Action, Entry, Manifest
from comfyfleet.core.manifests import write_manifest
from comfyfleet.machine.apply import Receipt, apply, rollback
from comfyfleet.machine.options import Options
from comfyfleet.machine.places import Places, places_of
from comfyfleet.machine.report import Report
from comfyfleet.machine.verify import Verification, verify


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entry(target_path: str, content: bytes = b"", **changes: Any) -> Entry:
    """Return an entry that copies bytes."""
    digest = sha256_of(content)
    plain = Entry(
        kind=AssetKind.OTHER,
        sha256=digest,
        asset_s3_key=names.asset_key("other", digest),
        original_filename=target_path.rpartition("/")[2],
        target_path=target_path,
        size=len(content),
    )
    return replace(plain, **changes)


def bundle_id(number: int) -> str:
    return str(UUID(int=number))


def bundle(number: int, *entries: Entry, **changes: Any) -> Manifest:
    return replace(Manifest(bundle_id(number), f"bundle {number}", "2026-02-20T12:34:56Z", entries), **changes)


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz, the same one each time."""
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@dataclass
class Machine:
    """A machine that applies from a folder. `said` are the lines that it reported."""

    folder: Path
    options: Options = field(default_factory=lambda: Options(restart_command="true"))
    said: list[str] = field(default_factory=list)

    @property
    def places(self) -> Places:
        return places_of(self.folder / "comfyui")

    @property
    def root(self) -> Path:
        return self.places.root

    @property
    def source(self) -> DiskSource:
        return DiskSource(self.folder / "models")

    @property
    def report(self) -> Report:
        return Report(self.said.append)

    def stock(self, content: bytes) -> None:
        """Put an object into the models disk."""
        path = self.folder / "models" / "data" / names.asset_key("other", sha256_of(content))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def copy(self, target_path: str, content: bytes, **changes: Any) -> Entry:
        """Return an entry whose object the models disk has."""
        self.stock(content)
        return entry(target_path, content, **changes)

    def tree(self, target_path: str, files: Mapping[str, bytes]) -> Entry:
        """Return an entry that unpacks an archive that the models disk has."""
        return self.copy(target_path, packed(files), action=Action.EXTRACT_TAR_GZ, kind=AssetKind.CUSTOM_NODE)

    def publish(self, manifest: Manifest) -> None:
        """Write a manifest where the command finds it."""
        path = self.folder / "models" / "data" / names.manifest_key(manifest.bundle_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(write_manifest(manifest))

    def apply(self, manifest: Manifest) -> Receipt:
        return apply(self.places, self.source, manifest, self.options, self.report)

    def rollback(self) -> Receipt:
        return rollback(self.places, self.source, self.options, self.report)

    def verify(self) -> Verification:
        return verify(self.places, self.report)

    def put(self, path: str, content: bytes) -> Path:
        """Write a file below the root, as somebody else does."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def files(self) -> dict[str, bytes]:
        """Return all files below the root but for the records there."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.parent != self.root
        }

    def record(self, name: str) -> Any:
        return json.loads((self.places.store / name).read_bytes())
