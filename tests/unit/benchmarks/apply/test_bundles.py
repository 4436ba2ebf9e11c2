"""The benchmark's bundles: sizes, what they share, and manifests that ours can read."""

import hashlib

from benchmarks.apply.bundles import (
    FIRST_BUNDLE,
    SHARED,
    Made,
    Planned,
    kept_of,
    manifest,
    plan_first,
    plan_new,
)

from comfyfleet.core.manifests import read_manifest

GIB = 2**30


def made(planned: list[Planned]) -> list[Made]:
    """Return files as if they had been written."""
    return [Made(one.name, one.kind, one.size, hashlib.sha256(one.name.encode()).hexdigest()) for one in planned]


def test_the_first_bundle_has_the_sizes_that_are_promised() -> None:
    sizes = [planned.size for planned in plan_first(1, seed=1)]
    assert sizes[:9] == [2 * GIB, *[GIB // 4] * 8]
    assert len(sizes) == 209
    assert all(2**10 <= size <= 2**20 for size in sizes[9:])
    assert 4.03 * GIB < sum(sizes) < 4.06 * GIB


def test_a_seed_gives_the_same_sizes_again() -> None:
    assert plan_first(1, seed=1) == plan_first(1, seed=1) != plan_first(1, seed=2)


def test_the_next_bundle_shares_nine_tenths_of_its_bytes() -> None:
    for scale in (1, 0.05):
        first = made(plan_first(scale, seed=1))
        kept = kept_of(first)
        shared = sum(one.size for one in kept)
        new = plan_new(kept).size
        assert set(kept) < set(first)
        assert SHARED <= shared / (shared + new) < SHARED + 0.0001


def test_ours_reads_the_manifest() -> None:
    files = made(plan_first(0.05, seed=1))
    read = read_manifest(manifest(FIRST_BUNDLE, files))
    assert read.bundle_id == FIRST_BUNDLE
    assert [(entry.asset_s3_key, entry.target_path, entry.size) for entry in read.entries] == [
        (one.key, one.target_path, one.size) for one in files
    ]
