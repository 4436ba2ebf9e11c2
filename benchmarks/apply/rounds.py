"""Runs the contenders in turn, checks what each left on the disk, and then applies ours twice more."""

import hashlib
import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.apply.bundles import FIRST_BUNDLE, NEXT_BUNDLE, Made
from benchmarks.apply.contenders import Ground, Name, commands, ours
from benchmarks.apply.dataset import BUCKET, Dataset
from benchmarks.apply.measure import Usage, measure
from benchmarks.errors import BenchmarkFailed
from benchmarks.s3_server import COUNTS_PATH

Say = Callable[[str], None]


@dataclass(frozen=True)
class Again:
    """What ours took to apply what is in place already, and a bundle that shares most of its bytes with it.

    Bytes are those of assets that left the server.
    """

    same: tuple[Usage, ...]
    same_bytes: int
    shared: Usage
    shared_bytes: int
    shared_total: int


def turns(contenders: Sequence[Name], runs: int, serial_runs: int) -> list[list[Name]]:
    """Return who runs in each round, in which order: each round begins with the next of them."""
    rounds = []
    for number in range(runs):
        start = number % len(contenders)
        order = [*contenders[start:], *contenders[:start]]
        rounds.append([name for name in order if name is not Name.AWS_SERIAL or number < serial_runs])
    return rounds


def run_rounds(ground: Ground, data: Dataset, rounds: Sequence[Sequence[Name]], say: Say) -> dict[Name, list[Usage]]:
    """Run all rounds and return each contender's measurements in the order of the rounds."""
    keys = tuple(made.key for made in data.first)
    found: dict[Name, list[Usage]] = {}
    for number, order in enumerate(rounds, start=1):
        for name in order:
            clear(ground)
            used = measure(commands(name, ground, keys), ground.log)
            found.setdefault(name, []).append(used)
            _check(name, ground, data, is_thorough=number == 1)
            say(f"round {number} of {len(rounds)}: {name:<18} {used.wall:8.2f} s")
    return found


def run_again(ground: Ground, data: Dataset, runs: int, say: Say) -> Again:
    """Apply the first bundle, apply it again `runs` times, and then the bundle that shares 90 % with it."""
    clear(ground)
    measure([ours(ground, FIRST_BUNDLE)], ground.log)
    _forget_counts(ground)
    same = tuple(measure([ours(ground, FIRST_BUNDLE)], ground.log) for _ in range(runs))
    same_bytes = _asset_bytes(ground)
    say(f"applied again {runs} times")
    data.publish_next()
    try:
        _forget_counts(ground)
        shared = measure([ours(ground, NEXT_BUNDLE)], ground.log)
        shared_bytes = _asset_bytes(ground)
    finally:
        data.withdraw_next()
    _check_files(ground.install_root, {made.target_path: made for made in data.next}, is_thorough=True)
    say("applied a bundle that shares 90 % of its bytes")
    return Again(same, same_bytes, shared, shared_bytes, sum(made.size for made in data.next))


def clear(ground: Ground) -> None:
    """Begin a run with nothing to find, and nothing left to write for the disk."""
    shutil.rmtree(ground.target, ignore_errors=True)
    ground.target.mkdir(parents=True)
    os.sync()


def _check(name: Name, ground: Ground, data: Dataset, *, is_thorough: bool) -> None:
    if name in {Name.DIRECT, Name.READ_ONLY}:
        return
    if name is Name.OURS:
        _check_files(ground.install_root, {made.target_path: made for made in data.first}, is_thorough=is_thorough)
    else:
        _check_files(ground.copied, {made.key: made for made in data.first}, is_thorough=is_thorough)


def _check_files(top: Path, wanted: dict[str, Made], *, is_thorough: bool) -> None:
    for path, made in wanted.items():
        file = top / path
        if not file.is_file() or file.stat().st_size != made.size:
            raise BenchmarkFailed(f"'{file}' is not what it should be.", hint="See the log of the run.")
        if is_thorough and _digest(file) != made.sha256:
            raise BenchmarkFailed(f"'{file}' has wrong bytes.", hint="See the log of the run.")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _asset_bytes(ground: Ground) -> int:
    with urllib.request.urlopen(f"{ground.url}{COUNTS_PATH}") as response:  # noqa: S310 - our own server
        counts = json.load(response)
    return sum(one["bytes"] for name, one in counts.items() if name.startswith(f"{BUCKET}/assets/"))


def _forget_counts(ground: Ground) -> None:
    request = urllib.request.Request(f"{ground.url}{COUNTS_PATH}", method="DELETE")  # noqa: S310 - our own server
    urllib.request.urlopen(request).close()  # noqa: S310 - the same
