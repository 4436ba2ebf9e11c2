"""Pickles run code when they are loaded. They are taken apart here, and never loaded."""

import io
import logging
import pickletools
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, BinaryIO, Final

from picklescan.scanner import Global, SafetyLevel, scan_pickle_bytes

from comfyfleet.server.assets.inspection.bounded import BoundedFile, ReadsTooMuch
from comfyfleet.server.assets.inspection.torch_zip import BROKEN, MAX_PICKLE_BYTES, ZIP_START, pickles_in

_MOST_OPCODES: Final = 300_000  # the scanner keeps each; a model of 10,000 tensors has fewer
_TOTAL_BYTES: Final = 96 * 2**20
_LEGACY_PICKLES: Final = 5  # of torch before 1.6: magic number, version, system, object, keys; then the tensors' bytes
_SHOWN: Final = 50
_SHOWN_CHARACTERS: Final = 200
_IDENTIFIERS: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

logging.getLogger("picklescan").setLevel(logging.CRITICAL)  # what it finds is in its result


class Verdict(StrEnum):
    """What loading a pickle would do, by the names that it imports."""

    SAFE = "safe"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"
    UNSCANNABLE = "unscannable"


def is_raw_pickle(head: bytes) -> bool:
    """Tell whether a file begins as a pickle of protocol 2 or later."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def scan(file: BinaryIO) -> tuple[Verdict, dict[str, Any]]:
    """Return what loading the file would do, and the names that it imports.

    What cannot be taken apart within bounds is unscannable: an attack could hide in it. Reads some MiB at most.
    """
    found: list[Global] = []
    problem = ""
    try:
        file.seek(0)
        is_zip = file.read(len(ZIP_START)) == ZIP_START
        for content in pickles_in(file) if is_zip else _stream_of_pickles(file):
            is_whole = _is_whole(content)
            found += _globals(content)
            if not is_whole:
                problem = "a pickle in it is broken or cut off"
    except BROKEN as error:
        problem = str(error)[:_SHOWN_CHARACTERS] or type(error).__name__
    dangerous = _names(one for one in found if _is_dangerous(one))
    suspicious = _names(one for one in found if one.safety is SafetyLevel.Suspicious and not _is_dangerous(one))
    findings: dict[str, Any] = {"dangerous": dangerous, "suspicious": suspicious}
    if problem:
        findings["problem"] = problem
    if dangerous:
        return Verdict.DANGEROUS, findings
    if problem:
        return Verdict.UNSCANNABLE, findings
    return (Verdict.SUSPICIOUS if suspicious else Verdict.SAFE), findings


def _stream_of_pickles(file: BinaryIO) -> Iterator[bytes]:
    """Yield the pickle that a file consists of, or the several that come before the tensors of an old torch file."""
    bounded = BoundedFile(file, largest=MAX_PICKLE_BYTES, total=_TOTAL_BYTES)
    start = 0
    for number in range(_LEGACY_PICKLES):
        bounded.seek(start)
        if number and not bounded.read(1):
            return
        content = _one_pickle(bounded, start)
        yield content
        start += len(content)


def _one_pickle(file: BoundedFile, start: int) -> bytes:
    """Return the bytes of the pickle at `start`; of a broken one what it may consist of."""
    file.seek(start)
    is_whole = _is_whole(file)
    length = file.tell() - start if is_whole else MAX_PICKLE_BYTES
    file.seek(start)
    return file.read(length)


def _is_whole(source: BoundedFile | bytes) -> bool:
    """Tell whether a pickle makes sense up to its end; raise `ReadsTooMuch` when it has too many steps."""
    steps = 0
    try:
        for _ in pickletools.genops(source):  # type: ignore[arg-type]  # our file has what is used
            steps += 1
            if steps > _MOST_OPCODES:
                raise ReadsTooMuch(f"a pickle in it has more than {_MOST_OPCODES:,} steps")
    except ReadsTooMuch:
        raise
    except BROKEN:
        return False
    return True


def _globals(content: bytes) -> list[Global]:
    """Return what a pickle imports, also what a broken one imports before the break."""
    return list(scan_pickle_bytes(io.BytesIO(content), "pickle", multiple_pickles=False).globals)


def _is_dangerous(one: Global) -> bool:
    """Tell whether an import is known to be harmful, or hides what it imports from whoever reads the pickle."""
    is_hidden = not all(_IDENTIFIERS.fullmatch(text) and text != "None" for text in (one.module, one.name))
    return one.safety is SafetyLevel.Dangerous or is_hidden


def _names(found: Iterator[Global]) -> list[str]:
    return sorted({f"{one.module}.{one.name}"[:_SHOWN_CHARACTERS] for one in found})[:_SHOWN]
