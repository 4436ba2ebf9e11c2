"""Brings a machine to a bundle: plan, room, fetch, unpack, switch, tidy. The verbs of `comfyfleet machine`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from comfyfleet.cloud.ports import ObjectSource
from comfyfleet.core.bundles import Entry, Manifest
from comfyfleet.core.manifests import read_manifest
from comfyfleet.machine import objects
from comfyfleet.machine.bringing import Early, adopt_standing, bring
from comfyfleet.machine.errors import NothingBefore, ObjectMissing, RestartFailed, WrongBytes
from comfyfleet.machine.fetch.partial import disk_errors
from comfyfleet.machine.fetch.reader import RangeReader, patiently
from comfyfleet.machine.inventory import take_stock, waiting_trees
from comfyfleet.machine.options import Options
from comfyfleet.machine.places import Places
from comfyfleet.machine.plan import Facts, Plan, first_part, make_plan
from comfyfleet.machine.report import Report, size_text
from comfyfleet.machine.requirements import find_python, install_requirements
from comfyfleet.machine.restart import restart_comfyui
from comfyfleet.machine.room import digests_of, keep_within, make_room, tidy
from comfyfleet.machine.state import Installed, TreeFile, read_installed, read_record
from comfyfleet.machine.switch import finish_switch, plan_switch, run_switch
from comfyfleet.machine.trees import give_to_owner, remove_tree
from comfyfleet.machine.unpacking import unpack


@dataclass(frozen=True)
class Receipt:
    """What was done. Sizes are in bytes."""

    bundle_id: str
    is_changed: bool
    fetched_bytes: int = 0
    placed: int = 0
    removed: int = 0
    was_restarted: bool = False


def load_manifest(source: ObjectSource, key: str, bundle_id: str) -> Manifest:
    """Return the manifest of a bundle from the store; raise `WrongBytes` when it is another bundle's."""
    manifest = read_manifest(_read(source, key))
    if manifest.bundle_id != bundle_id:
        raise WrongBytes(
            f"'{key}' is the manifest of the bundle {manifest.bundle_id}.", hint="Give the prefix of the bundle itself."
        )
    return manifest


def recorded_manifest(places: Places, bundle_id: str) -> Manifest | None:
    """Return the manifest of a bundle if that very bundle is in place. The caller holds the lock."""
    finish_switch(places)
    installed = read_installed(places)
    if installed is None or not installed.is_complete or installed.manifest.bundle_id != bundle_id:
        return None
    return installed.manifest


def plan_apply(
    places: Places, source: ObjectSource, manifest: Manifest, options: Options, *, whole: Manifest | None = None
) -> tuple[Facts, Plan]:
    """Look at this machine and decide what to do; change nothing. `whole` is the bundle that `manifest` is part of."""
    reader = RangeReader(source)
    try:
        facts = take_stock(places, manifest, reader)
    finally:
        reader.close()
    return facts, make_plan(manifest, facts, options.first, whole=whole)


def apply(places: Places, source: ObjectSource, manifest: Manifest, options: Options, report: Report) -> Receipt:
    """Bring this machine to a bundle. The caller holds the lock.

    Whatever goes wrong, and whenever, the bundle before stays whole, and the next run goes on from there.
    """
    with disk_errors():
        places.make()
        finish_switch(places)
        facts, plan = plan_apply(places, source, manifest, options)
        if plan.is_done_already and facts.installed == Installed(
            manifest, facts.installed.trees if facts.installed else {}
        ):
            report.say(f"bundle {manifest.bundle_id} is in place already")
            was_restarted = _restart_if_due(places, options, report)
            return Receipt(manifest.bundle_id, is_changed=False, was_restarted=was_restarted)
        if adopt_standing(places, plan, report):
            facts, plan = plan_apply(places, source, manifest, options)
        report.say(_summary(plan))
        _make_room(places, facts, plan, report)
        part = first_part(manifest, facts) if plan.is_first else None
        if part is None:
            fetched = bring(places, source, facts, plan, options, report)
            return _switch_over(places, facts, plan, manifest, options, report, fetched)
        return _apply_growing(places, source, manifest, part, facts, plan, options, report)


def _apply_growing(
    places: Places,
    source: ObjectSource,
    manifest: Manifest,
    part: Manifest,
    facts: Facts,
    plan: Plan,
    options: Options,
    report: Report,
) -> Receipt:
    """Apply a first bundle: `part` of it is put in place, and its packages installed, while large files stream."""
    receipts: list[Receipt] = []

    def place_part() -> None:
        part_facts, part_plan = plan_apply(places, source, part, options, whole=manifest)
        receipts.append(_switch_over(places, part_facts, part_plan, manifest, options, report, 0))
        report.say("custom nodes and small files are in place; large files follow")

    early = Early(frozenset(entry.sha256 for entry in part.entries), place_part)
    fetched = bring(places, source, facts, plan, options, report, early)
    facts, plan = plan_apply(places, source, manifest, options)
    receipt = _switch_over(places, facts, plan, manifest, options, report, fetched)
    return replace(receipt, was_restarted=any(one.was_restarted for one in [*receipts, receipt]))


def rollback(places: Places, source: ObjectSource, options: Options, report: Report) -> Receipt:
    """Go back to the bundle before, whose files are all here. The caller holds the lock.

    Raises:
        NothingBefore: There is no such bundle, or its files are not here any more.
    """
    with disk_errors():
        places.make()
        finish_switch(places)
        previous = read_record(places.previous)
        if previous is None:
            raise NothingBefore("There is no bundle to go back to.", hint="Apply the one that you want.")
        bundle_id = previous.manifest.bundle_id
        instead = f"Apply bundles/{bundle_id} instead."
        try:
            facts, plan = plan_apply(places, source, previous.manifest, options)
        except ObjectMissing as error:  # the size of a file that is not here, asked of no store
            raise NothingBefore("Files of the bundle before are not here any more.", hint=instead) from error
        if plan.fetch:
            raise NothingBefore(f"{len(plan.fetch)} files of the bundle before are not here any more.", hint=instead)
        report.say(f"going back to bundle {bundle_id} ({previous.manifest.name})")
        return _switch_over(places, facts, plan, previous.manifest, options, report, 0)


def _read(source: ObjectSource, key: str) -> bytes:
    reader = RangeReader(source)
    try:
        return patiently(lambda: reader.read_small(key), key)
    finally:
        reader.close()


def _make_room(places: Places, facts: Facts, plan: Plan, report: Report) -> None:
    previous = read_record(places.previous)
    keep = digests_of(plan.manifest) | digests_of(_manifest_of(facts.installed))
    freed = make_room(places, plan.needed_bytes, keep, spare=digests_of(_manifest_of(previous)))
    if freed:
        report.say(f"made room: {size_text(freed)} of files that no bundle needs")


def _manifest_of(installed: Installed | None) -> Manifest | None:
    return installed.manifest if installed else None


def _summary(plan: Plan) -> str:
    return (
        f"bundle {plan.manifest.bundle_id} ({plan.manifest.name or 'no name'}): {len(plan.manifest.entries)} assets, "
        f"{len(plan.keep)} in place, {len(plan.fetch)} to fetch ({size_text(plan.fetch_bytes)}), "
        f"{len(plan.unpack)} to unpack, {len(plan.remove)} to remove"
    )


def _switch_over(
    places: Places,
    facts: Facts,
    plan: Plan,
    whole: Manifest,
    options: Options,
    report: Report,
    fetched_bytes: int,
) -> Receipt:
    trees = _stage(places, plan, report)
    _install_packages(places, plan, options, report)
    run_switch(places, plan_switch(places, plan, facts.installed, trees, whole=whole))
    is_complete = plan.manifest == whole
    if is_complete:
        report.say(f"bundle {plan.manifest.bundle_id} is in place")
    previous = read_record(places.previous)
    tidy(places, previous, is_complete=is_complete)
    if is_complete and options.store_limit_bytes is not None:
        keep_within(places, options.store_limit_bytes, digests_of(whole) | digests_of(_manifest_of(previous)))
    was_restarted = _restart_if_due(places, options, report, is_urgent=is_complete)
    return Receipt(
        bundle_id=plan.manifest.bundle_id,
        is_changed=True,
        fetched_bytes=fetched_bytes,
        placed=len(plan.place),
        removed=len(plan.remove),
        was_restarted=was_restarted,
    )


def _install_packages(places: Places, plan: Plan, options: Options, report: Report) -> None:
    """Install what the custom nodes need that come into place, be they unpacked now or kept from the bundle before."""
    trees = [entry for entry in plan.place if entry.action.is_extract]
    nodes = [places.staged_of(entry) if entry in plan.unpack else places.retired_of(entry) for entry in trees]
    python = find_python(places.root, options.comfyui_python)
    lock = plan.manifest.requirements_lock
    install_requirements(python, lock, nodes, places.links, report, is_lock_new=plan.is_lock_new)


def _restart_if_due(places: Places, options: Options, report: Report, *, is_urgent: bool = True) -> bool:
    """Start ComfyUI again if its custom nodes changed, be it in an earlier run that did not come so far.

    One that is not urgent may fail: it is tried again later.
    """
    if not places.restart_due.exists():
        return False
    try:
        restart_comfyui(options.restart_command, report)
    except RestartFailed as error:
        if is_urgent:
            raise
        report.say(str(error))
        return False
    places.restart_due.unlink()
    return True


def _stage(places: Places, plan: Plan, report: Report) -> Mapping[str, tuple[TreeFile, ...]]:
    """Unpack what is to be unpacked; return the files of every tree that is put in place."""
    waiting = waiting_trees(places, plan.manifest)
    trees = {entry.target_path: waiting[entry.target_path] for entry in plan.place if entry.target_path in waiting}
    for entry in plan.unpack:
        trees[entry.target_path] = _unpack(places, entry)
        report.say(f"unpacked {entry.original_filename} ({len(trees[entry.target_path])} files)")
    if plan.unpack:
        objects.sync_all(places.store)
    return trees


def _unpack(places: Places, entry: Entry) -> tuple[TreeFile, ...]:
    staged = places.staged_of(entry)
    remove_tree(staged.parent)
    staged.parent.mkdir(parents=True)
    files = unpack(places.object_of(entry.sha256), entry.action, staged)
    give_to_owner(staged, places.root)
    return tuple(TreeFile(file.path, file.sha256, file.size) for file in files)
