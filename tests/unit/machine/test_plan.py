"""What an apply is going to do, decided from facts alone."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.machine.building import bundle, entry, sha256_of

from comfyfleet.core.bundles import Action, Entry, Manifest
from comfyfleet.machine.plan import SMALL_BYTES, Facts, Plan, first_part, make_plan
from comfyfleet.machine.state import Installed, TreeFile

A = entry("models/vae/a.safetensors", b"a")
B = entry("models/loras/b.safetensors", b"bb")
TREE = entry("custom_nodes/pack", b"archive", action=Action.EXTRACT_ZIP)
SPARE = 64 * 2**20


def facts(*entries: Entry, **changes: Any) -> Facts:
    return replace(Facts(sizes={one.sha256: one.size or 0 for one in entries}), **changes)


def after(manifest: Manifest, **changes: Any) -> Facts:
    """Return the facts of a machine on which a bundle is in place, unharmed, and nothing else."""
    paths = [one.target_path for one in manifest.entries]
    digests = frozenset(one.sha256 for one in manifest.entries)
    plain = Facts(
        sizes={one.sha256: one.size or 0 for one in manifest.entries},
        whole=digests,
        installed=Installed(manifest, {one.target_path: () for one in manifest.entries if one.action.is_extract}),
        listed=tuple(paths),
        intact=frozenset(paths),
    )
    return replace(plain, **changes)


def paths(entries: tuple[Entry, ...]) -> list[str]:
    return [one.target_path for one in entries]


def test_a_fresh_machine_fetches_and_places_everything() -> None:
    plan = make_plan(bundle(1, A, TREE, B), facts(A, B, TREE))
    assert set(plan.fetch) == set(plan.place) == {A, B, TREE}
    assert plan.unpack == (TREE,)
    assert (plan.keep, plan.remove, plan.adopt) == ((), (), ())
    assert plan.fetch_bytes == 1 + 2 + 7
    assert plan.is_first
    assert plan.is_restart_needed


def test_the_same_bundle_again_does_nothing() -> None:
    manifest = bundle(1, A, TREE, B)
    plan = make_plan(manifest, after(manifest))
    assert plan.is_done_already
    assert set(plan.keep) == {A, B, TREE}
    assert (plan.fetch_bytes, plan.needed_bytes, plan.is_restart_needed, plan.is_first) == (0, 0, False, False)


def test_what_changed_on_the_disk_is_placed_again_and_fetched_only_if_the_store_lost_it() -> None:
    manifest = bundle(1, A, B)
    plan = make_plan(manifest, after(manifest, intact=frozenset({B.target_path})))
    assert (plan.place, plan.fetch, plan.keep) == ((A,), (), (B,))
    plan = make_plan(manifest, after(manifest, intact=frozenset(), whole=frozenset({B.sha256})))
    assert (plan.place, plan.fetch) == ((A, B), (A,))


def test_a_moved_file_is_placed_and_not_fetched() -> None:
    moved = entry("models/vae/moved.safetensors", b"a")
    plan = make_plan(bundle(2, moved), after(bundle(1, A)))
    assert (plan.fetch, plan.place, plan.remove) == ((), (moved,), (A.target_path,))


def test_another_digest_or_action_at_a_path_replaces_what_is_there() -> None:
    other = entry(A.target_path, b"other")
    tree = replace(TREE, action=Action.EXTRACT_TAR_GZ)
    new = bundle(2, other, tree)
    plan = make_plan(new, replace(after(bundle(1, A, TREE)), sizes={one.sha256: 1 for one in new.entries}))
    assert plan.place == (other, tree)
    assert plan.fetch == (other,)
    assert plan.unpack == (tree,)
    assert plan.remove == ()


def test_what_the_next_bundle_lacks_is_removed_whoever_listed_it() -> None:
    known = after(bundle(1, A, B), listed=(A.target_path, B.target_path, "models/vae/theirs"))
    plan = make_plan(bundle(2, A), replace(known, sizes=facts(A).sizes))
    assert plan.remove == (B.target_path, "models/vae/theirs")
    theirs = make_plan(bundle(2, A), facts(A, listed=("models/vae/theirs", A.target_path)))
    assert theirs.remove == ("models/vae/theirs",)
    assert not theirs.is_first


def test_of_nested_stale_paths_only_the_outermost_is_removed() -> None:
    inside = entry("custom_nodes/pack/weights.bin", b"w")
    plan = make_plan(bundle(2, A), replace(after(bundle(1, TREE, inside, A))))
    assert plan.remove == (TREE.target_path,)
    assert plan.is_restart_needed


def test_a_listed_folder_of_another_tool_stays_when_a_new_path_lies_in_it() -> None:
    plan = make_plan(bundle(1, A), facts(A, listed=("models/vae",)))
    assert plan.remove == ()


def test_a_file_inside_a_tree_that_is_replaced_is_placed_again() -> None:
    inside = entry("custom_nodes/pack/weights.bin", b"w")
    newer = replace(TREE, sha256=sha256_of(b"newer"))
    known = after(bundle(1, TREE, inside))
    plan = make_plan(bundle(2, newer, inside), replace(known, sizes={**known.sizes, newer.sha256: 5}))
    assert plan.place == (newer, inside)
    assert plan.fetch == (newer,)


def test_a_file_that_lay_inside_a_tree_that_goes_is_placed_again() -> None:
    inside = entry("custom_nodes/pack/weights.bin", b"w")
    plan = make_plan(bundle(2, inside), after(bundle(1, TREE, inside)))
    assert (plan.place, plan.remove) == ((inside,), (TREE.target_path,))


def test_a_tree_gets_its_own_file_back_when_the_asset_that_hid_it_goes() -> None:
    hiding, beside = entry("custom_nodes/pack/a.py", b"other"), entry("custom_nodes/pack/b.bin", b"b")
    manifest = bundle(1, TREE, hiding, beside)
    own = Installed(manifest, {TREE.target_path: (TreeFile("a.py", sha256_of(b"own"), 3),)})
    plan = make_plan(bundle(2, TREE, beside), after(manifest, installed=own))
    assert plan.place == (TREE, beside)
    assert make_plan(bundle(2, TREE, hiding), after(manifest, installed=own)).place == ()


def test_a_tree_that_waits_in_the_store_is_neither_fetched_nor_unpacked() -> None:
    plan = make_plan(bundle(1, TREE), facts(TREE, trees=frozenset({TREE.target_path})))
    assert (plan.fetch, plan.unpack, plan.place) == ((), (), (TREE,))


def test_an_archive_that_is_only_copied_is_no_tree() -> None:
    plain = replace(TREE, action=Action.COPY)
    plan = make_plan(bundle(1, plain), facts(plain, trees=frozenset({plain.target_path})))
    assert (plan.fetch, plan.unpack) == ((plain,), ())


def test_one_digest_at_two_paths_is_fetched_once() -> None:
    twin = entry("models/vae/twin.safetensors", b"a")
    plan = make_plan(bundle(1, A, twin), facts(A))
    assert plan.fetch == (A,)
    assert plan.place == (A, twin)
    assert plan.fetch_bytes == 1


def test_nodes_come_first_then_small_files_then_what_is_wanted_first_then_the_manifests_order() -> None:
    large = [entry(f"models/checkpoints/{n}", bytes([n]), size=SMALL_BYTES + 1) for n in range(4)]
    unknown = entry("models/checkpoints/unknown", b"?", size=None)
    manifest = bundle(1, *large, unknown, A, TREE, B)
    known = facts(*large, A, B, TREE, unknown)
    assert make_plan(manifest, known).fetch == (TREE, A, B, *large, unknown)
    wanted = (large[2].target_path, unknown.target_path, B.target_path, "models/nothing")
    plan = make_plan(manifest, known, wanted)
    assert plan.fetch == (TREE, B, A, large[2], unknown, large[0], large[1], large[3])
    assert plan.place == manifest.entries


def test_sizes_that_the_manifest_lacks_come_from_the_facts() -> None:
    unsized = replace(A, size=None)
    plan = make_plan(bundle(1, unsized), Facts(sizes={A.sha256: 1000}))
    assert plan.fetch_bytes == 1000
    assert plan.needed_bytes == 1000 + SPARE


def test_room_is_wanted_for_what_comes_and_for_what_is_unpacked_less_what_came_already() -> None:
    large = entry("models/checkpoints/l", b"l", size=100 * 2**20)
    plan = make_plan(bundle(1, large, TREE), facts(large, TREE, partial_bytes=30 * 2**20))
    assert plan.needed_bytes == 70 * 2**20 + 7 + 4 * 7 + SPARE
    finished = make_plan(bundle(1, large), facts(large, partial_bytes=101 * 2**20))
    assert finished.needed_bytes == SPARE


def test_files_that_stand_at_their_path_are_looked_at_before_they_are_fetched() -> None:
    standing = frozenset({A.target_path, TREE.target_path})
    plan = make_plan(bundle(1, A, B, TREE), facts(A, B, TREE, standing=standing))
    assert plan.adopt == (A,)


@pytest.mark.parametrize(
    ("new", "is_needed"),
    [
        (bundle(2, A, TREE, B), False),
        (bundle(2, TREE), False),
        (bundle(2, A), True),
        (bundle(2, A, TREE, entry("custom_nodes/single.py", b"s")), True),
        (bundle(2, A, TREE, requirements_lock="numpy==2.2.0"), True),
    ],
    ids=["a file more", "a file less", "no node", "a new node", "a new lock"],
)
def test_comfyui_starts_again_only_for_its_nodes(new: Manifest, is_needed: bool) -> None:
    known = after(bundle(1, A, TREE))
    sizes = {one.sha256: one.size or 0 for one in new.entries}
    assert make_plan(new, replace(known, sizes=sizes)).is_restart_needed is is_needed


def test_a_lock_is_new_once() -> None:
    manifest = bundle(1, TREE, requirements_lock="numpy==2.2.0")
    assert make_plan(manifest, facts(TREE)).is_lock_new
    assert not make_plan(manifest, after(manifest)).is_lock_new
    assert not make_plan(bundle(2, TREE), after(manifest)).is_lock_new


def test_the_first_part_of_a_first_bundle_is_its_nodes_and_small_files() -> None:
    large = entry("models/checkpoints/l", b"l", size=SMALL_BYTES + 1)
    node = entry("custom_nodes/big", b"n", size=SMALL_BYTES + 1, action=Action.EXTRACT_ZIP)
    manifest = bundle(1, large, A, node)
    part = first_part(manifest, facts(*manifest.entries))
    assert part == bundle(1, A, node)
    assert first_part(bundle(1, A, node), facts(A, node)) is None
    assert first_part(bundle(1, large), facts(large)) == bundle(1)


def test_the_first_part_removes_nothing_that_the_whole_bundle_has() -> None:
    large = entry("models/checkpoints/l", b"l", size=SMALL_BYTES + 1)
    whole, part = bundle(1, large, A), bundle(1, A)
    broken_off = Installed(part, is_complete=False)
    known = after(part, installed=broken_off, listed=(large.target_path, A.target_path, "models/vae/gone"))
    plan: Plan = make_plan(part, known, whole=whole)
    assert plan.remove == ("models/vae/gone",)
    assert plan.is_first


def test_ten_thousand_files_are_planned_at_once() -> None:
    entries = [entry(f"models/loras/{number}", str(number).encode()) for number in range(10_000)]
    manifest = bundle(1, *entries)
    assert len(make_plan(manifest, facts(*entries)).place) == 10_000
    assert make_plan(manifest, after(manifest)).is_done_already
