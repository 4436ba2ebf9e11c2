"""The switch from one bundle to the next: renames and links only, written down before the first of them.

A run that is killed in the middle leaves the journal. Whatever command comes next does all steps of it again before
anything else; each step can be done twice. So a machine never rests between two bundles.
"""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from comfyfleet.core.bundles import Entry, Manifest
from comfyfleet.machine.errors import DiskRefuses, StateInvalid
from comfyfleet.machine.fetch.partial import disk_errors
from comfyfleet.machine.linking import link_into_place
from comfyfleet.machine.objects import sync_all
from comfyfleet.machine.places import Places
from comfyfleet.machine.plan import Plan
from comfyfleet.machine.state import (
    Installed,
    TreeFile,
    parse_record,
    record_of,
    write_durably,
    write_whole,
)

StepKind = Literal["remove", "tree", "link"]


@dataclass(frozen=True)
class Step:
    """One step: `target` below the root; `source` in the store; `aside` in the store, where what stands there goes."""

    kind: StepKind
    target: str
    source: str = ""
    aside: str = ""


@dataclass(frozen=True)
class Switch:
    """What leads from `before` to `after`. `listed` are the paths that the next bundle removes if it lacks them."""

    steps: tuple[Step, ...]
    after: Installed
    before: Installed | None
    listed: tuple[str, ...]


def plan_switch(
    places: Places,
    plan: Plan,
    before: Installed | None,
    trees: Mapping[str, tuple[TreeFile, ...]],
    *,
    whole: Manifest,
) -> Switch:
    """Return the steps of a plan whose objects and unpacked archives are in the store; stale paths go last.

    `whole` is the bundle that the plan's is, or is the first part of.
    """
    after = Installed(plan.manifest, {**_kept_trees(plan, before), **trees}, is_complete=plan.manifest == whole)
    in_the_way, stale = _split(plan)
    steps = itertools.chain(
        (Step("remove", path, aside=_aside(places, path, before, plan)) for path in in_the_way),
        (place_step(places, entry, before, plan) for entry in plan.place if entry.action.is_extract),
        (place_step(places, entry, before, plan) for entry in plan.place if not entry.action.is_extract),
        (
            Step("remove", path, aside=_aside(places, path, before, plan))
            for path in stale
            if not _is_of_a_tree(path, after)
        ),
    )
    return Switch(tuple(steps), after, before, tuple(entry.target_path for entry in whole.entries))


def place_step(places: Places, entry: Entry, before: Installed | None, plan: Plan) -> Step:
    """Return the step that puts an entry in place."""
    aside = _aside(places, entry.target_path, before, plan)
    if not entry.action.is_extract:
        return Step("link", entry.target_path, entry.sha256, aside)
    staged = places.staged_of(entry)
    source = staged if staged.is_dir() else places.retired_of(entry)
    return Step("tree", entry.target_path, str(source.relative_to(places.store)), aside)


def run_switch(places: Places, switch: Switch) -> None:
    """Do a switch; from the moment that it is written down it will be done, now or by the next command."""
    document = {
        "steps": [asdict(step) for step in switch.steps],
        "after": record_of(switch.after),
        "before": record_of(switch.before) if switch.before else None,
        "listed": switch.listed,
    }
    write_durably(places.journal, json.dumps(document))
    finish_switch(places)


def finish_switch(places: Places) -> bool:
    """Do the steps of a journal, if there is one; return whether there was."""
    switch = _read_journal(places)
    if switch is None:
        return False
    with disk_errors():
        for step in switch.steps:
            run_step(places, step)
        _write_records(places, switch)
        # One wait for all names, records and removals; until it is over, the journal brings them about again.
        sync_all(places.root)
        sync_all(places.store)
        places.journal.unlink()
    return True


def _kept_trees(plan: Plan, before: Installed | None) -> dict[str, tuple[TreeFile, ...]]:
    kept = {entry.target_path for entry in plan.keep}
    return {path: files for path, files in before.trees.items() if path in kept} if before else {}


def _split(plan: Plan) -> tuple[list[str], list[str]]:
    """Return the stale paths that stand in the way of new ones, and the others."""
    above = {str(folder) for entry in plan.place for folder in Path(entry.target_path).parents}
    return [path for path in plan.remove if path in above], [path for path in plan.remove if path not in above]


def _is_of_a_tree(path: str, after: Installed) -> bool:
    """Tell whether a stale path is now a file of an unpacked archive."""
    return any(f"{target}/{file.path}" == path for target, files in after.trees.items() for file in files)


def _aside(places: Places, path: str, before: Installed | None, plan: Plan) -> str:
    """Return where in the store goes what stands at a path; nothing for a file that the store has in any case."""
    entry = before.entry_at(path) if before else None
    if entry is not None:
        return str(places.retired_of(entry).relative_to(places.store)) if entry.action.is_extract else ""
    if path in plan.listed:  # a bundle's that somebody else applied: it goes when all is done
        return f"{places.retired.name}/{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    return f"{places.displaced.name}/{plan.manifest.bundle_id}/{path}"


def run_step(places: Places, step: Step) -> None:
    """Do a step, for the first or the second time."""
    target = places.target_of(step.target)
    match step.kind:
        case "remove":
            _put_aside(places, target, step.aside)
            _prune(target.parent, places.root)
        case "tree":
            source = places.store / step.source
            if source.is_dir():
                _make_parent(places, target)
                _put_aside(places, target, step.aside)
                source.rename(target)
        case "link":
            _make_parent(places, target)
            source = places.object_of(step.source)
            if step.aside and target.exists() and not target.samefile(source):
                _put_aside(places, target, step.aside)
            link_into_place(source, target, places.links)


def _put_aside(places: Places, target: Path, aside: str) -> None:
    """Take away what stands at a target: into the store if it has a place there, else for good."""
    if not target.exists() and not target.is_symlink():
        return
    if not aside or target.is_symlink():
        _delete(target)
        return
    place = places.store / aside
    _delete(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    target.rename(place)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _make_parent(places: Places, target: Path) -> None:
    """Make the folders above a target. A link among them is followed only if it is our own user's."""
    for folder in reversed([target.parent, *target.parent.parents]):
        if folder.is_relative_to(places.root) and folder != places.root:
            if folder.is_symlink() and folder.lstat().st_uid != os.geteuid():
                raise DiskRefuses(f"{folder} is a link of another user.", hint="Remove it and apply the bundle again.")
            folder.mkdir(exist_ok=True)


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that are left empty, but not ComfyUI's own such as models/loras."""
    while len(folder.relative_to(root).parts) > 2:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # not empty
            return
        folder = folder.parent


def _read_journal(places: Places) -> Switch | None:
    try:
        document = json.loads(places.journal.read_bytes())
        before = document["before"]
        return Switch(
            steps=tuple(Step(**step) for step in document["steps"]),
            after=parse_record(document["after"]),
            before=parse_record(before) if before else None,
            listed=tuple(document["listed"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StateInvalid(
            f"{places.journal} is damaged: {error}", hint="Remove it and apply the bundle again."
        ) from error


def _write_records(places: Places, switch: Switch) -> None:
    write_whole(places.installed, json.dumps(record_of(switch.after)))
    if switch.before is None or not switch.before.is_complete:
        places.previous.unlink(missing_ok=True)
    elif switch.before.manifest.bundle_id != switch.after.manifest.bundle_id:
        write_whole(places.previous, json.dumps(record_of(switch.before)))
    write_whole(places.listed_paths, "".join(f"{path}\n" for path in switch.listed))
    if switch.after.is_complete:
        write_whole(places.active_bundle, f"{switch.after.manifest.bundle_id}\n")
