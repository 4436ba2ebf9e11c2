"""Makes the objects of the benchmark once: random bytes that nothing compresses, always the same for a seed."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.apply.bundles import (
    FIRST_BUNDLE,
    NEXT_BUNDLE,
    Made,
    Planned,
    kept_of,
    manifest,
    plan_first,
    plan_new,
)

SEED: Final = 20260220
BUCKET: Final = "bench-models"
_BLOCK: Final = 4 * 2**20


@dataclass(frozen=True)
class Dataset:
    """The first bundle's files, and the next one's; `folder` holds all."""

    folder: Path
    first: tuple[Made, ...]
    next: tuple[Made, ...]

    @property
    def buckets(self) -> Path:
        """The folder that the server serves."""
        return self.folder / "buckets"

    @property
    def bucket(self) -> Path:
        """The bucket, with the first bundle, and the next one once it is published."""
        return self.buckets / BUCKET

    def publish_next(self) -> None:
        """Put the next bundle into the bucket; until then, who copies the whole bucket copies the first."""
        for made in self._only_next():
            target = self.bucket / made.key
            target.unlink(missing_ok=True)
            target.hardlink_to(self._waiting(made))

    def withdraw_next(self) -> None:
        """Take out of the bucket what only the next bundle needs."""
        for made in self._only_next():
            (self.bucket / made.key).unlink(missing_ok=True)

    def warm(self) -> None:
        """Read all objects once, so that the server never waits for the disk."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                with path.open("rb", buffering=0) as file:
                    while file.read(_BLOCK):
                        pass

    def _only_next(self) -> list[Made]:
        return [made for made in self.next if made not in self.first]

    def _waiting(self, made: Made) -> Path:
        return self.folder / "waiting" / made.sha256


def dataset(cache: Path, scale: float, seed: int = SEED) -> Dataset:
    """Return the data of a scale, made now or found in `cache` where an earlier run made it."""
    folder = cache / f"scale-{scale:g}-seed-{seed}"
    index = folder / "index.json"
    if not index.exists():
        _make(folder, scale, seed)
    lists = json.loads(index.read_text())
    first, following = (tuple(Made(**one) for one in lists[name]) for name in ("first", "next"))
    return Dataset(folder, first, following)


def _make(folder: Path, scale: float, seed: int) -> None:
    bucket = folder / "buckets" / BUCKET
    waiting = folder / "waiting"
    waiting.mkdir(parents=True, exist_ok=True)
    first = [_write(bucket, planned, [seed, number]) for number, planned in enumerate(plan_first(scale, seed))]
    kept = kept_of(first)
    new = _write(bucket, plan_new(kept), [seed, len(first)])
    (bucket / new.key).rename(waiting / new.sha256)
    following = [*kept, new]
    for bundle_id, files in ((FIRST_BUNDLE, first), (NEXT_BUNDLE, following)):
        path = bucket / "bundles" / bundle_id / "manifest.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(manifest(bundle_id, files))
    _write_index(folder / "index.json", first, following)


def _write(bucket: Path, planned: Planned, seed: Sequence[int]) -> Made:
    from numpy.random import PCG64, Generator  # noqa: PLC0415 - only the first run needs it

    random = Generator(PCG64(list(seed)))
    hashed = hashlib.sha256()
    folder = bucket / "assets" / planned.kind
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "unfinished"
    with unfinished.open("wb") as file:
        for start in range(0, planned.size, _BLOCK):
            block = random.bytes(min(_BLOCK, planned.size - start))
            hashed.update(block)
            file.write(block)
    made = Made(planned.name, planned.kind, planned.size, hashed.hexdigest())
    unfinished.rename(bucket / made.key)
    return made


def _write_index(index: Path, first: Sequence[Made], following: Sequence[Made]) -> None:
    lists = {"first": [asdict(made) for made in first], "next": [asdict(made) for made in following]}
    unfinished = index.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(lists))
    os.sync()
    unfinished.rename(index)  # last: where it is, all is
