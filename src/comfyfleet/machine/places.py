"""Every file and folder that a bundle on a machine consists of."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comfyfleet import names
from comfyfleet.core.bundles import Entry

_STORE_SUFFIX: Final = ".content"


@dataclass(frozen=True)
class Places:
    """The install root, and the content store on the same file system.

    The store holds `objects/` (whole files by digest, hard-linked to where bundles want them), `partial/` (what is
    being fetched), `staged/` and `retired/` (unpacked archives that are not in place yet or no longer), and the
    records of what is installed.
    """

    root: Path
    store: Path

    @property
    def objects(self) -> Path:
        """Whole and verified files, each named by its digest."""
        return self.store / "objects"

    @property
    def partial(self) -> Path:
        """Files on their way."""
        return self.store / "partial"

    @property
    def staged(self) -> Path:
        """Archives that are unpacked and not yet in place."""
        return self.store / "staged"

    @property
    def retired(self) -> Path:
        """Unpacked archives of the bundle before."""
        return self.store / "retired"

    @property
    def links(self) -> Path:
        """Links that are about to be put in place."""
        return self.store / "links"

    @property
    def displaced(self) -> Path:
        """What stood at a target path and was no bundle's."""
        return self.store / "displaced"

    @property
    def installed(self) -> Path:
        """The record of the bundle that is in place."""
        return self.store / "installed.json"

    @property
    def previous(self) -> Path:
        """The record of the bundle before."""
        return self.store / "previous.json"

    @property
    def journal(self) -> Path:
        """What a switch is going to do; there only while it does."""
        return self.store / "switch.json"

    @property
    def damaged(self) -> Path:
        """The target paths at which a verification found other bytes."""
        return self.store / "damaged"

    @property
    def restart_due(self) -> Path:
        """There while ComfyUI has not been started again after its custom nodes changed."""
        return self.store / "restart-due"

    @property
    def lock(self) -> Path:
        """Held by the one command that works here."""
        return self.store / "lock"

    @property
    def active_bundle(self) -> Path:
        """The id of the bundle that was applied last."""
        return self.root / names.ACTIVE_BUNDLE_FILE

    @property
    def listed_paths(self) -> Path:
        """The paths that the last bundle installed."""
        return self.root / names.INSTALLED_PATHS_FILE

    def object_of(self, sha256: str) -> Path:
        """Return where a verified file lies."""
        return self.objects / sha256

    def staged_of(self, entry: Entry) -> Path:
        """Return where the archive of an entry is unpacked; its last name is that of the target."""
        return self.staged / _tree_name(entry) / entry.target_path.rpartition("/")[2]

    def retired_of(self, entry: Entry) -> Path:
        """Return where the unpacked archive of an entry is kept after it was in place."""
        return self.retired / _tree_name(entry)

    def target_of(self, target_path: str) -> Path:
        """Return where a target path is on this machine."""
        return self.root / target_path

    def make(self) -> None:
        """Make the folders that are not there."""
        for folder in (self.root, self.objects, self.partial, self.staged, self.retired, self.links):
            folder.mkdir(parents=True, exist_ok=True)


def _tree_name(entry: Entry) -> str:
    # The same archive at two places is two trees.
    place = hashlib.sha256(entry.target_path.encode()).hexdigest()[:16]
    return f"{entry.sha256}-{entry.action.value}-{place}"


def places_of(root: Path, store: Path | None = None) -> Places:
    """Return the places of an install root. Unless it is given, the store lies beside the root.

    Links need one file system: where the root is a mount of its own, the store is the folder `.content` in it.
    """
    root = root.absolute()
    if store is not None:
        return Places(root, store.absolute())
    if root.exists() and root.stat().st_dev != root.parent.stat().st_dev:
        return Places(root, root / _STORE_SUFFIX)
    return Places(root, root.with_name(f"{root.name}{_STORE_SUFFIX}"))
