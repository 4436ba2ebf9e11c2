"""Reads everything that is installed again, and names what is not as it was."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

from comfyfleet.core.bundles import Entry
from comfyfleet.machine.errors import NothingInstalled
from comfyfleet.machine.fetch.partial import disk_errors
from comfyfleet.machine.objects import hash_file
from comfyfleet.machine.places import Places
from comfyfleet.machine.report import Report
from comfyfleet.machine.state import Installed, read_installed, write_damaged
from comfyfleet.machine.switch import finish_switch

_THREADS: Final = 4
_CACHES: Final = "__pycache__"


class Difference(StrEnum):
    """What is wrong with a file."""

    CHANGED = "changed"
    LOST = "lost"
    ADDED = "added"


@dataclass(frozen=True)
class Finding:
    """A file below the install root that is not as the bundle has it."""

    path: str
    difference: Difference


@dataclass(frozen=True)
class Verification:
    """What a verification found, in the order of the paths. Added files do not make a bundle less whole."""

    bundle_id: str
    file_count: int
    findings: tuple[Finding, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every file of the bundle is there with the right bytes."""
        return all(finding.difference is Difference.ADDED for finding in self.findings)


@dataclass(frozen=True)
class _Expected:
    path: str
    sha256: str


def verify(places: Places, report: Report) -> Verification:
    """Hash every installed file again. The caller holds the lock; a switch that was cut off is finished first.

    What was changed is noted, so that the next apply puts it right even if it looks as it should.

    Raises:
        NothingInstalled: No bundle of ours is in place, or the first one is not complete.
    """
    with disk_errors():
        places.make()
        finish_switch(places)
        return _verify(places, report)


def _verify(places: Places, report: Report) -> Verification:
    installed = read_installed(places)
    if installed is None or not installed.is_complete:
        raise NothingInstalled("No complete bundle is on this machine.", hint="Apply one.")
    expected = list(_expected(installed))
    report.expect(sum(_size(places.target_of(file.path)) for file in expected))
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda file: _compare(places, file, report), expected)
        findings = [finding for finding in found if finding is not None]
    _note_damage(places, installed, findings)
    findings += _added(places, installed, {file.path for file in expected})
    ordered = tuple(sorted(findings, key=lambda finding: finding.path))
    return Verification(installed.manifest.bundle_id, len(expected), ordered)


def _expected(installed: Installed) -> Iterator[_Expected]:
    copies = {entry.target_path: entry for entry in installed.manifest.entries if not entry.action.is_extract}
    for path, entry in copies.items():
        yield _Expected(path, entry.sha256)
    for target, files in installed.trees.items():
        for file in files:
            path = f"{target}/{file.path}"
            if path not in copies:
                yield _Expected(path, file.sha256)


def _compare(places: Places, file: _Expected, report: Report) -> Finding | None:
    path = places.target_of(file.path)
    try:
        is_right = hash_file(path, report.count) == file.sha256
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return Finding(file.path, Difference.LOST)
    return None if is_right else Finding(file.path, Difference.CHANGED)


def _note_damage(places: Places, installed: Installed, findings: list[Finding]) -> None:
    targets = set()
    for finding in findings:
        if finding.difference is not Difference.CHANGED:
            continue
        for path in (finding.path, *map(str, PurePosixPath(finding.path).parents)):
            if (entry := installed.entry_at(path)) is not None:
                targets.add(path)
                if not entry.action.is_extract:
                    places.target_of(path).touch()  # the store's file, which is the same one, loses its stamp, too
                break
    write_damaged(places, targets)


def _added(places: Places, installed: Installed, expected: set[str]) -> list[Finding]:
    """Name files inside unpacked archives that did not come with them; Python's caches are no news."""
    return [
        Finding(path, Difference.ADDED)
        for entry in installed.manifest.entries
        if entry.action.is_extract
        for path in _files_below(places, entry)
        if path not in expected
    ]


def _files_below(places: Places, entry: Entry) -> Iterator[str]:
    folder = places.target_of(entry.target_path)
    for path in folder.rglob("*"):
        if not path.is_dir() and _CACHES not in path.parts:
            yield path.relative_to(places.root).as_posix()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
