"""Pickles that hide what they do are found out, and none needs much memory or time."""

import collections
import io
import os
import pickle
import struct
import tarfile
import time
import tracemalloc
import zipfile
from typing import Any

import pytest

from comfyfleet.core.assets import AssetKind
from comfyfleet.server.assets.inspection import Inspection, inspect


def look(content: bytes, filename: str) -> Inspection:
    return inspect(io.BytesIO(content), filename, len(content), AssetKind.OTHER)


def text(word: str) -> bytes:
    return b"\x8c" + bytes([len(word)]) + word.encode()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return buffer.getvalue()


RUN: Any = type("Run", (), {"__reduce__": lambda _: (os.system, ("true",))})
OLD_ATTACK = b"cos\nsystem\n(S'true'\ntR."  # protocol 0, without the mark of later ones
ATTACK = pickle.dumps(RUN())
HARMLESS = pickle.dumps({"a": 1})
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
HEAD = MAGIC + pickle.dumps(1001, protocol=2) + pickle.dumps({"little_endian": True}, protocol=2)


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (OLD_ATTACK, "x.pt"),
        (b"GGUF\x00\x00\x00\x00\x00" + b"0" + OLD_ATTACK, "x.pt"),  # a number to a pickle, a magic to a glance
        (zipped(("m/DATA.PKL", OLD_ATTACK)), "x.pt"),
        (zipped(("m/data.pkl", HARMLESS), ("m/other.pkl", OLD_ATTACK)), "x.pt"),
        (zipped(("m/data.pkl", ATTACK), method=zipfile.ZIP_DEFLATED), "x.ckpt"),
        (zipped(("m/Data.pkl", OLD_ATTACK)), "x.dat"),
        (ATTACK, "x.pkl"),
        (ATTACK, "x.PT2"),
        (HEAD + ATTACK + pickle.dumps([], protocol=2) + bytes(100), "x.bin"),
        (HEAD + HARMLESS + ATTACK, "x.bin"),
        (HARMLESS + ATTACK, "x.pt"),
        (ATTACK[:-5], "x.pt"),
        (b"\x80\x04" + text("os") + b"\x8c\x01x0\x940" + text("system") + b"\x8c\x01x0\x940h\x00h\x01\x93.", "x.pt"),
        (b"\x80\x04" + text("os") + b"q\x05q\x060" + text("system") + b"q\x07q\x080h\x06h\x08\x93.", "x.pt"),
    ],
    ids=range(14),
)
def test_a_hidden_attack_is_dangerous(content: bytes, filename: str) -> None:
    found = look(content, filename)
    assert (found.findings["scan"], found.is_quarantined) == ("dangerous", True)
    assert found.findings["dangerous"]


def test_of_two_members_of_one_name_both_are_looked_at() -> None:
    for order in ((ATTACK, HARMLESS), (HARMLESS, ATTACK)):
        with pytest.warns(UserWarning, match="Duplicate name"):
            content = zipped(*(("m/data.pkl", one) for one in order))
        assert look(content, "x.pt").findings["scan"] == "dangerous"


def tar_with(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def encrypted() -> bytes:
    content = bytearray(zipped(("m/data.pkl", HARMLESS)))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"7z\xbc\xaf\x27\x1c" + bytes(50),
        tar_with(ATTACK),
        b"text and nothing more",
        HARMLESS[:-1],
        HARMLESS + b"and more",
        zipped(("m/other", HARMLESS)),
        zipped(("data.pkl", HARMLESS)),
        zipped(("m/data.pkl", HARMLESS))[:-10],
        b"PK\x03\x04" + zipped(("m/data.pkl", HARMLESS)),
        encrypted(),
        zipped(("m/data.pkl", HARMLESS), method=zipfile.ZIP_BZIP2),
        zipped(("m/data.pkl", HARMLESS)).replace(b"PK\x05\x06", b"PK\x05\x07"),
        b"\x80\x02" + b"N" * 400_000 + b".",
        b"\x80\x02X" + struct.pack("<I", 2**31) + b"x",
        b"\x80\x02c" + b"a" * 2**20,
        zipped(("m/data.pkl", b"N" * 2**23 + b"."), method=zipfile.ZIP_DEFLATED),
        zipped(("m/data.pkl", bytes(2**28)), method=zipfile.ZIP_DEFLATED),
        zipped(*((f"{number:060}", b"") for number in range(50_000)), ("m/data.pkl", HARMLESS)),
    ],
    ids=range(19),
)
def test_what_cannot_be_taken_apart_is_quarantined_within_bounds(content: bytes) -> None:
    begun = time.monotonic()
    tracemalloc.start()
    try:
        found = look(content, "x.pt")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.findings["scan"], found.is_quarantined) == ("unscannable", True)
    assert found.findings["problem"]
    assert most < 64 * 2**20
    assert time.monotonic() - begun < 20


def test_an_old_torch_file_is_safe_though_tensors_follow() -> None:
    keys = pickle.dumps(["0"], protocol=2)
    state = pickle.dumps(collections.OrderedDict(a=1), protocol=2)
    found = look(HEAD + state + keys + os.urandom(5000), "x.bin")
    assert found.findings == {"scan": "safe", "dangerous": [], "suspicious": []}


def test_an_unknown_import_is_suspicious_and_named() -> None:
    found = look(b"\x80\x02cmodels.unet\nUnet\n.", "x.pt")
    assert (found.findings["scan"], found.findings["suspicious"]) == ("suspicious", ["models.unet.Unet"])
    assert not found.is_quarantined


def test_only_the_pickles_of_a_large_zip_are_read() -> None:
    class Counted(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1, /) -> bytes:
            content = super().read(size)
            self.read_bytes += len(content)
            return content

    tensors = [(f"m/data/{number}", bytes(2**20)) for number in range(20)]
    content = zipped(("m/data.pkl", HARMLESS), *tensors)
    file = Counted(content)
    assert inspect(file, "x.pt", len(content), AssetKind.OTHER).findings["scan"] == "safe"
    assert file.read_bytes < 2**20


def test_a_library_with_a_pickle_among_its_tests_stays_an_archive() -> None:
    found = look(zipped(("node/__init__.py", b""), ("node/tests/data.pkl", HARMLESS)), "node.zip")
    assert (found.format, found.suggested_kind) == ("archive", AssetKind.CUSTOM_NODE)
