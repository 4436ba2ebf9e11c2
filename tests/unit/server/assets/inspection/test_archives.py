"""Hostile archives are findings, and cost little."""

import gzip
import io
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest

from comfyfleet.core.assets import AssetKind
from comfyfleet.server.assets.inspection import Inspection, inspect


def look(content: bytes, filename: str) -> Inspection:
    return inspect(io.BytesIO(content), filename, len(content), AssetKind.CUSTOM_NODE)


def tarred(members: Iterator[tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for info in members:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    return buffer.getvalue()


def special(kind: bytes, link: str = "") -> bytes:
    info = tarfile.TarInfo("a/b")
    info.type, info.linkname = kind, link
    return tarred(iter([info]))


def zipped(names: Iterator[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"")
    return buffer.getvalue()


def deep_names() -> Iterator[str]:
    return ("/".join(f"{number:05}{depth:03}xxxxx" for depth in range(60)) for number in range(4000))


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (special(tarfile.CHRTYPE), "a.tar.gz"),
        (special(tarfile.FIFOTYPE), "a.tar.gz"),
        (special(tarfile.SYMTYPE, "../../etc/passwd"), "a.tgz"),
        (special(tarfile.LNKTYPE, "/etc/passwd"), "a.tgz"),
        (gzip.compress(bytes(300 * 2**20), 1), "a.tar.gz"),
        (tarred(tarfile.TarInfo(name) for name in deep_names()), "a.tgz"),
        (zipped(deep_names()), "a.zip"),
        (zipped(f"{number:06}" for number in range(60_000)), "a.zip"),
        (zipped(iter(["/abs"])), "a.zip"),
        (zipped(iter(["a/../../b"])), "a.zip"),
        (zipped(iter(["a\\..\\b"])), "a.zip"),
        (zipped(iter(["A", "a"])), "a.zip"),
        (b"", "a.zip"),
        (b"", "a.tgz"),
        (b"no archive at all", "a.zip"),
        (b"no archive at all", "a.tar.gz"),
    ],
    ids=range(16),
)
def test_a_hostile_archive_is_a_finding_that_costs_little(content: bytes, filename: str) -> None:
    begun = time.monotonic()
    tracemalloc.start()
    try:
        found = look(content, filename)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.format == "archive"
    assert found.findings["problem"]
    assert most < 80 * 2**20
    assert time.monotonic() - begun < 30


def test_an_archive_in_an_archive_is_listed_as_one_file() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("node/inner.zip", zipped(iter(["../escape"])))
    found = look(buffer.getvalue(), "a.zip")
    assert (found.findings["files"], found.findings["problem"]) == (1, None)
