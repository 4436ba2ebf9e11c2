"""A models disk that tests fill, in the layout of the disk store."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

MIB = 2**20


@dataclass(frozen=True)
class Item:
    """What a bundle installs: the bytes of an object, and what is done with them."""

    content: bytes
    action: str = "copy"
    kind: str = "other"


@dataclass(frozen=True)
class Library:
    """A folder with objects under their keys, as `MODELS_FOLDER` names it."""

    folder: Path

    def put(self, key: str, content: bytes) -> None:
        path = self.folder / "data" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size != len(content):
            path.write_bytes(content)

    def add_bundle(self, number: int, items: Mapping[str, Item], **more: Any) -> str:
        """Write the objects and the manifest of a bundle; return its id. `more` are further keys of the manifest."""
        bundle_id = str(UUID(int=number))
        for item in items.values():
            self.put(key_of(item), item.content)
        self.put(f"bundles/{bundle_id}/manifest.json", json.dumps(manifest(bundle_id, items, **more)).encode())
        return bundle_id

    def forget_bundle(self, bundle_id: str) -> None:
        (self.folder / "data" / "bundles" / bundle_id / "manifest.json").unlink()


def digest_of(item: Item) -> str:
    return hashlib.sha256(item.content).hexdigest()


def key_of(item: Item) -> str:
    return f"assets/{item.kind}/{digest_of(item)}"


def manifest(bundle_id: str, items: Mapping[str, Item], **more: Any) -> dict[str, Any]:
    """Return a manifest of the contract's version 1."""
    assets = [
        {
            "asset_id": number,
            "kind": item.kind,
            "sha256": digest_of(item),
            "size": len(item.content),
            "asset_s3_key": key_of(item),
            "original_filename": path.rpartition("/")[2],
            "target_path": path,
            "action": item.action,
        }
        for number, (path, item) in enumerate(items.items(), start=1)
    ]
    return {
        "manifest_version": 1,
        "bundle_id": bundle_id,
        "name": f"bundle {bundle_id[-4:]}",
        "created_at": "2026-02-20T12:34:56Z",
        "notes": None,
        "assets": assets,
        **more,
    }


def random_item(seed: int, size: int, kind: str = "checkpoint") -> Item:
    """Return a file of `size` random bytes; the same seed gives the same ones."""
    return Item(Random(seed).randbytes(size), kind=kind)  # noqa: S311 - bytes, no secrets


def node_archive(files: Mapping[str, bytes], folder: str = ".") -> Item:
    """Return a custom node as `tar czf node.tar.gz -C dir .` packs it, always with the same bytes."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name, content in _with_folders(files, folder):
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            else:
                info.size = len(content)
            tar.addfile(info, None if content is None else io.BytesIO(content))
    return Item(packed.getvalue(), action="extract_tar_gz", kind="custom_node")


def _with_folders(files: Mapping[str, bytes], folder: str) -> Iterable[tuple[str, bytes | None]]:
    yield folder, None
    for name, content in files.items():
        yield f"{folder}/{name}", content
