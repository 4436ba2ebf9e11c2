"""The switch from one bundle to the next: renames and links only, written down before the first of them.

A run that is killed in the middle leaves the journal. Whatever command comes next does all steps of it again before
anything else; each step can be done twice. So a machine never rests between two bundles. What could stop a switch in
its middle is looked for before it begins.
"""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from comfyfleet.core.bundles import Entry, Manifest
from comfyfleet.core.errors import FleetError
from comfyfleet.machine.errors import DiskRefuses, StateInvalid
from comfyfleet.machine.fetch.partial import disk_errors
from comfyfleet.machine.linking import has_stamp, is_stamped, link_into_place
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
    """One step: `target` below the root; `source` in the store; `aside` in the store, where what stands there goes.

    Nothing is at `aside` when a switch begins. So what is there tells that this step has been done, and that what
    stands at the target now is to stay.
    """

    kind: StepKind
    target: str
    source: str = ""
    aside: str = ""


@dataclass(frozen=True)
class Switch:
    """What leads from `before` to `after`. `listed` are the paths that the next bundle removes if it lacks them.

    `is_restart_needed` tells that ComfyUI is to be started again, be it by a later command.
    """

    steps: tuple[Step, ...]
    after: Installed
    before: Installed | None
    listed: tuple[str, ...]
    is_restart_needed: bool = False


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
    of_trees = {f"{target}/{file.path}" for target, files in after.trees.items() for file in files}
    asides = _Asides(places, before, plan)
    steps = itertools.chain(
        (Step("remove", path, aside=asides.of(path) or asides.scratch(path)) for path in in_the_way),
        (_place_step(places, entry, asides, plan) for entry in plan.place if entry.action.is_extract),
        (_place_step(places, entry, asides, plan) for entry in plan.place if not entry.action.is_extract),
        (Step("remove", path, aside=asides.of(path)) for path in stale if path not in of_trees),
    )
    listed = tuple(entry.target_path for entry in whole.entries)
    return Switch(tuple(steps), after, before, listed, plan.is_restart_needed)


def show(places: Places, entry: Entry) -> None:
    """Put a file in place where nothing stands, ahead of its switch."""
    with disk_errors():
        run_step(places, Step("link", entry.target_path, entry.sha256))


def run_switch(places: Places, switch: Switch) -> None:
    """Do a switch; raise as `begin_switch`."""
    begin_switch(places, switch)
    finish_switch(places)


def begin_switch(places: Places, switch: Switch) -> None:
    """Write a switch down; from then on it will be done, now or by the next command.

    Raises:
        DiskRefuses: It cannot be done, and was not begun.
    """
    with disk_errors():
        _check_ways(places, switch)
        for step in switch.steps:
            if step.aside:
                _delete(places.store / step.aside)
    document = {
        "steps": [asdict(step) for step in switch.steps],
        "after": record_of(switch.after),
        "before": record_of(switch.before) if switch.before else None,
        "listed": switch.listed,
        "is_restart_needed": switch.is_restart_needed,
    }
    write_durably(places.journal, json.dumps(document))


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


def _place_step(places: Places, entry: Entry, asides: "_Asides", plan: Plan) -> Step:
    aside = asides.of(entry.target_path)
    if not entry.action.is_extract:
        return Step("link", entry.target_path, entry.sha256, aside)
    source = places.staged_of(entry) if entry in plan.unpack else places.retired_of(entry)
    name = str(source.relative_to(places.store))
    return Step("tree", entry.target_path, name, asides.scratch(entry.target_path) if aside == name else aside)


class _Asides:
    """Where in the store goes what stands at target paths."""

    def __init__(self, places: Places, before: Installed | None, plan: Plan) -> None:
        self._places = places
        self._before = before
        self._listed = set(plan.listed)
        self._displaced = _unused_name(places.displaced, plan.manifest.bundle_id)

    def of(self, path: str) -> str:
        """Return the place for what stands at a path; nothing for a file that the store has in any case."""
        entry = self._before.entry_at(path) if self._before else None
        target = self._places.target_of(path)
        if entry is not None and entry.action.is_extract and not target.is_symlink():
            return str(self._places.retired_of(entry).relative_to(self._places.store))
        if entry is not None and not entry.action.is_extract and not target.is_dir():
            return ""
        if entry is None and path in self._listed and self._before is None:
            return f"{self._places.retired.name}/{_short(path)}"  # of another tool's bundle: it goes when all is done
        if entry is None and path in self._listed and has_stamp(target):
            return ""  # of a first bundle that did not become complete
        return f"{self._displaced}/{path}"

    def scratch(self, path: str) -> str:
        """Return a place for what goes when all is done."""
        return f"{self._places.links.name}/{_short(path)}"


def _short(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()[:16]


def _unused_name(folder: Path, name: str) -> str:
    """Return a name below the folder that nothing has yet: what was displaced before stays as it is."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return f"{folder.name}/{next(name for name in names if not os.path.lexists(folder / name))}"


def _check_ways(places: Places, switch: Switch) -> None:
    """See that the folders above all targets can be made and written to; raise `DiskRefuses` if not."""
    removed = {places.target_of(step.target) for step in switch.steps if step.kind == "remove"}
    innermost: set[Path] = set()
    for step in switch.steps:
        present = places.root
        for folder in _folders_above(places, step.target) if step.kind != "remove" else ():
            if folder in removed or not os.path.lexists(folder):
                break
            present = folder
        innermost.add(present)
    for folder in innermost:
        for above in _folders_above(places, folder.relative_to(places.root).as_posix()):
            _check_folder(above)
        _check_folder(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise DiskRefuses(f"{folder} cannot be written to.", hint="Give this user the right, and apply it again.")


def _folders_above(places: Places, target_path: str) -> Iterator[Path]:
    """Yield the folders between the root and a target, the outermost first."""
    folders = [places.target_of(target_path), *places.target_of(target_path).parents]
    yield from reversed(folders[1 : folders.index(places.root)])


def _check_folder(folder: Path) -> None:
    if folder.is_symlink() and folder.lstat().st_uid != os.geteuid():
        raise DiskRefuses(f"{folder} is a link of another user.", hint="Remove it and apply the bundle again.")
    if not folder.is_dir():
        raise DiskRefuses(
            f"{folder} is in the way: the bundle needs a folder there.", hint="Move it elsewhere and apply it again."
        )


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
                _make_parent(places, step.target)
                _put_aside(places, target, step.aside)
                source.rename(target)
        case "link":
            _make_parent(places, step.target)
            source = places.object_of(step.source)
            if step.aside and not _is_there(target, source):
                _put_aside(places, target, step.aside)
            link_into_place(source, target, places.links)


def _is_there(target: Path, source: Path) -> bool:
    """Tell whether a step has linked or, where the file system knows no links, copied a file of the store already."""
    return is_stamped(target, source.stat().st_size)


def _put_aside(places: Places, target: Path, aside: str) -> None:
    """Take away what stands at a target: into the store if it has a place there, else for good."""
    if not os.path.lexists(target):
        return
    if not aside:
        _delete(target)
        return
    place = places.store / aside
    if not os.path.lexists(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        target.rename(place)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _make_parent(places: Places, target_path: str) -> None:
    """Make the folders above a target. A link among them is followed only if it is our own user's."""
    for folder in _folders_above(places, target_path):
        if not os.path.lexists(folder):
            folder.mkdir(exist_ok=True)  # a file that is shown early may have made it just now
        elif folder.is_symlink():
            _check_folder(folder)


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that are left empty, but not ComfyUI's own such as models/loras."""
    while len(parts := folder.relative_to(root).parts) > (1 if parts[:1] == ("custom_nodes",) else 2):
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
            is_restart_needed=document["is_restart_needed"],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, FleetError) as error:
        raise StateInvalid(
            f"{places.journal} is damaged: {error}", hint="Remove it and apply the bundle again."
        ) from error


def _write_records(places: Places, switch: Switch) -> None:
    if switch.is_restart_needed:
        places.restart_due.touch()
    places.damaged.unlink(missing_ok=True)
    write_whole(places.installed, json.dumps(record_of(switch.after)))
    if switch.before is None or not switch.before.is_complete:
        places.previous.unlink(missing_ok=True)
    elif switch.before.manifest.bundle_id != switch.after.manifest.bundle_id:
        write_whole(places.previous, json.dumps(record_of(switch.before)))
    write_whole(places.listed_paths, "".join(f"{path}\n" for path in switch.listed))
    if switch.after.is_complete:
        write_whole(places.active_bundle, f"{switch.after.manifest.bundle_id}\n")
