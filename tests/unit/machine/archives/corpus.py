"""Archives that want to do harm, or are broken, and why each is refused."""

import gzip
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.unit.machine.archives.building import (
    BLOCK,
    FILE,
    Part,
    deflated,
    header,
    member,
    padded,
    pax,
    plain_tgz,
    plain_zip,
    tgz,
    zip_of,
)

from comfyfleet.core.archives import ArchiveLimits, Reason
from comfyfleet.core.bundles import Action

LINK = stat.S_IFLNK | 0o777
SMALL = ArchiveLimits(
    max_members=20, max_total_bytes=200_000, max_file_bytes=150_000, max_depth=5, max_ratio=20, ratio_from_bytes=4096
)
FEW = ArchiveLimits(max_members=20)
NORMAL = ArchiveLimits()
NOISE = bytes((at * at * 31 + at // 7) % 251 for at in range(4000))


@dataclass(frozen=True)
class Hostile:
    """An archive and the reason that it is refused for. `is_listable` tells that only its bytes are wrong."""

    title: str
    action: Action
    build: Callable[[], bytes]
    reason: Reason
    limits: ArchiveLimits = NORMAL
    is_listable: bool = False


def _zip(title: str, reason: Reason, *parts: Part, is_listable: bool = False, **of: bytes | int) -> Hostile:
    return Hostile(
        f"zip: {title}", Action.EXTRACT_ZIP, lambda: zip_of(*parts, **of), reason, SMALL, is_listable  # type: ignore[arg-type]
    )  # fmt: skip


def _tar(
    title: str, reason: Reason, *members: bytes, end: bytes = bytes(2 * BLOCK), limits: ArchiveLimits = SMALL
) -> Hostile:
    return Hostile(f"tar: {title}", Action.EXTRACT_TAR_GZ, lambda: tgz(*members, end=end), reason, limits)


def _bytes(title: str, action: Action, reason: Reason, content: bytes) -> Hostile:
    return Hostile(title, action, lambda: content, reason, SMALL)


UNSAFE_NAMES = (
    "/etc/passwd", "//etc/passwd", "../up", "a/../../up", "a/..", "..", ".//abs", "a//b", "a/./b", "..\\up",
    "a\\..\\..\\up", "\\\\host\\share", "C:\\up", "C:/up", "c:up", "a\nb", "a\x1b[2Jb", "a\u0085b", "", "n" * 256,
    "d/" * 6 + "deep", "__MACOSX/../../up", "../.DS_Store", "./../up",
)  # fmt: skip
COLLIDING = (
    ("Readme", "README"), ("caf\u00e9", "cafe\u0301"), ("d/x", "D/y"), ("stra\u00dfe", "STRASSE"), ("a", "a/b"),
    ("a/b", "a"), ("a", "a"), ("a", "a/"), ("a/", "a"), ("./a", "a"), ("\u212b", "\u00e5"),
)  # fmt: skip


def _names() -> Iterator[Hostile]:
    for name in UNSAFE_NAMES:
        yield _zip(f"the name {name[:20]!r}", Reason.PATH, Part("ok"), Part(name))
        if len(name) < 100:
            yield _tar(f"the name {name[:20]!r}", Reason.PATH, member("ok"), member(name))
            yield _tar(f"the pax name {name[:20]!r}", Reason.PATH, pax({"path": name}), member("ok"))
            yield _tar(f"the GNU name {name[:20]!r}", Reason.PATH, _long(name), member("ok"))
    yield _zip("a name with a NUL", Reason.PATH, Part("a\0b"))
    yield _zip("a name of 60,000 bytes", Reason.PATH, Part("a/" * 30_000))
    yield _tar("a name that is not UTF-8", Reason.PATH, member(b"\xff\xfe"))
    yield _tar("a prefix that leads upwards", Reason.PATH, member("up", prefix=b"../.."))
    yield _tar("a folder above", Reason.PATH, header("../up/", b"5"), member("ok"))
    yield _zip("a folder above", Reason.PATH, Part("../up/", b"", mode=stat.S_IFDIR | 0o755))


def _collisions() -> Iterator[Hostile]:
    for one, other in COLLIDING:
        title = f"{one!a} beside {other!a}"
        yield _zip(
            title, Reason.COLLISION, *(Part(name, b"" if name.endswith("/") else b"x", 0) for name in (one, other))
        )
        pair = (member(name, b"" if name.endswith("/") else b"x") for name in (one, other))
        yield _tar(title, Reason.COLLISION, *pair)
    yield _tar("a name twice, once by pax", Reason.COLLISION, member("a"), pax({"path": "a"}), member("b"))


def _links() -> Iterator[Hostile]:
    targets = ("/etc/passwd", "../up", "a/../../up", "..", ".", "", "missing", "\\up", "d", "self", "self/../self")
    for target in targets:
        around = (member("ok"), member("d/x"))
        yield _tar(f"a symlink to {target!r}", Reason.LINK, *around, header("self", b"2", link=target))
        yield _tar(f"a hard link to {target!r}", Reason.LINK, *around, header("self", b"1", link=target))
        parts = Part("ok"), Part("d/x"), Part("self", target.encode(), LINK)
        yield _zip(f"a symlink to {target!r}", Reason.LINK, *parts)
    yield _tar("a pax link outside", Reason.LINK, member("ok"), pax({"linkpath": "/etc/passwd"}), header("l", b"2"))
    yield _tar("a GNU link outside", Reason.LINK, member("ok"), _long("../" * 60 + "up", b"K"), header("l", b"2"))
    yield _tar(
        "two links in a circle", Reason.LINK, member("ok"), header("l", b"2", link="m"), header("m", b"2", link="l")
    )
    yield _tar("a write through a link out", Reason.LINK, header("l", b"2", link="/tmp"), member("l/x"))
    yield _tar("a write through a link in", Reason.COLLISION, member("d/y"), header("l", b"2", link="d"), member("l/x"))
    yield _tar("a file in place of a link", Reason.COLLISION, member("ok"), header("l", b"2", link="ok"), member("l"))
    yield _tar(
        "a way through a link", Reason.LINK, member("d/x"), header("l", b"2", link="d"), header("m", b"2", link="l/x")
    )
    yield _tar("a link with bytes", Reason.MISMATCH, member("ok"), member("l", b"123", b"1", link="ok"))
    yield _zip("a write through a link out", Reason.LINK, Part("l", b"/tmp", LINK), Part("l/x"))
    yield _zip("a write through a link in", Reason.COLLISION, Part("d/y"), Part("l", b"d", LINK), Part("l/x"))
    yield _zip("a link of 2,000 bytes", Reason.LINK, Part("l", b"../" * 667, LINK))
    copies = [header(f"l{number}", b"2", link="big") for number in range(15)]
    yield _tar("a bomb of links", Reason.BOMB, member("big", NOISE * 8), *copies)
    yield _zip(
        "a bomb of links", Reason.TOO_LARGE, Part("big", NOISE * 8), *(Part(f"l{n}", b"big", LINK) for n in range(15))
    )


def _kinds() -> Iterator[Hostile]:
    for kind, title in ((b"3", "character device"), (b"4", "block device"), (b"6", "pipe")):
        yield _tar(f"a {title}", Reason.DEVICE, member("ok"), header("x", kind))
    for kind in (b"S", b"D", b"M", b"V", b"N", b"A", b"X", b"\xff"):
        yield _tar(f"the kind {kind!r}", Reason.KIND, member("ok"), header("x", kind))
    kinds = {
        "character device": stat.S_IFCHR,
        "block device": stat.S_IFBLK,
        "pipe": stat.S_IFIFO,
        "socket": stat.S_IFSOCK,
    }
    for title, mode in kinds.items():
        yield _zip(f"a {title}", Reason.DEVICE, Part("ok"), Part("x", mode=mode | 0o644))
    yield _tar(
        "a sparse file of pax", Reason.KIND, pax({"GNU.sparse.major": "1", "GNU.sparse.name": "../up"}), member("x")
    )
    yield _zip("an encrypted file", Reason.ENCRYPTED, Part("x", flags=0x1))
    yield _zip("a strongly encrypted file", Reason.ENCRYPTED, Part("x", flags=0x41))
    yield _zip("an encrypted directory", Reason.ENCRYPTED, Part("x", flags=0x2000))
    for method in (1, 6, 9, 12, 14, 93, 95, 99):
        yield _zip(f"the method {method}", Reason.METHOD, Part("x", method=method, packed=b"x"))
    yield _zip("a patch", Reason.METHOD, Part("x", flags=0x20))


def _sizes() -> Iterator[Hostile]:
    zeros = bytes(140_000)
    yield _zip("a bomb", Reason.BOMB, Part("x", zeros, method=8), is_listable=True)
    yield _tar("a bomb", Reason.BOMB, member("x", zeros))
    lie = Part("x", zeros, method=8, said_size=10)
    yield _zip("a bomb that says 10 bytes", Reason.MISMATCH, lie, is_listable=True)
    yield _zip(
        "a file that says too few bytes", Reason.MISMATCH, Part("x", b"abc", method=8, said_size=9), is_listable=True
    )
    big = NOISE * 20
    yield _zip("too many bytes", Reason.TOO_LARGE, *(Part(f"{n}", big) for n in range(3)))
    three = [member(f"{number}", big) for number in range(3)]
    yield _tar("too many bytes", Reason.TOO_LARGE, *three, limits=ArchiveLimits(max_total_bytes=200_000))
    yield _zip("a file too large", Reason.TOO_LARGE, Part("x", b"x", said_size=150_001))
    yield _tar("a file too large", Reason.TOO_LARGE, header("x", size=150_001))
    yield _tar("a file of 2^87 bytes", Reason.TOO_LARGE, header("x", size_field=b"\x80" + b"\xff" * 11))
    yield _zip("too many members", Reason.TOO_MANY, *(Part(f"{n}") for n in range(21)))
    yield _tar("too many members", Reason.TOO_MANY, *(member(f"{n}", b"") for n in range(21)), limits=FEW)
    yield _tar(
        "too many times its own top",
        Reason.TOO_MANY,
        *(header("./", b"5") for _ in range(21)),
        member("ok"),
        limits=FEW,
    )
    yield _tar(
        "too much that a Mac leaves",
        Reason.TOO_MANY,
        member("ok"),
        *(member(f"__MACOSX/{n}") for n in range(21)),
        limits=FEW,
    )
    folders = [f"{n}/a/b/c/x" for n in range(6)]
    yield _zip("too many folders that only show in names", Reason.TOO_MANY, *map(Part, folders))
    yield _tar("too many folders that only show in names", Reason.TOO_MANY, *map(member, folders), limits=FEW)
    yield _zip("more members than it says", Reason.MISMATCH, Part("a"), Part("b"), count=1)
    yield _zip("fewer members than it says", Reason.CORRUPT, Part("a"), count=2)
    yield Hostile("zip: 100,000 members", Action.EXTRACT_ZIP, _many_zip, Reason.TOO_MANY)
    yield Hostile("zip: 100,000 members, said to be 1", Action.EXTRACT_ZIP, lambda: _many_zip(1), Reason.MISMATCH)
    yield Hostile("tar: 100,000 members", Action.EXTRACT_TAR_GZ, _many_tar, Reason.TOO_MANY)
    yield _tar("an extended header of 2 MiB", Reason.BOMB, header("p", b"x", 2 * 2**20), bytes(2 * 2**20), limits=FEW)
    yield _tar("a long name of 2 GiB", Reason.BOMB, header("p", b"L", 2**31))
    yield _tar("extended headers without an end", Reason.BOMB, *(pax({"mtime": "1"}) for _ in range(12)), member("ok"))
    yield _tar("global headers without an end", Reason.BOMB, *(pax({"a": "1"}, b"g") for _ in range(12)), member("ok"))


def _contradictions() -> Iterator[Hostile]:
    yield _zip("another name in the member's header", Reason.MISMATCH, Part("safe", local_name="evil"))
    yield _zip("another size in the member's header", Reason.MISMATCH, Part("x", local_size=7))
    yield _zip("another method in the member's header", Reason.MISMATCH, Part("x", local_method=8))
    yield _zip("a stored file of two sizes", Reason.MISMATCH, Part("x", b"abc", said_size=2))
    yield _zip("a folder with bytes", Reason.MISMATCH, Part("d/", b"abc", mode=0), Part("ok"))
    yield _zip("a folder that is a file by its mode", Reason.MISMATCH, Part("d/", b"", mode=FILE), Part("ok"))
    yield _zip("a file that is a folder by its mode", Reason.MISMATCH, Part("d", b"", mode=stat.S_IFDIR | 0o755))
    yield _tar("two sizes", Reason.MISMATCH, pax({"size": "1024"}), header("x", size=1), bytes(1024))
    yield _tar("two pax names", Reason.MISMATCH, pax({"path": "a"}), pax({"path": "b"}), member("x"))
    yield _tar("a GNU name and a pax name", Reason.MISMATCH, _long("a"), pax({"path": "b"}), member("x"))
    yield _tar("a pax name for all members", Reason.MISMATCH, pax({"path": "a"}, b"g"), member("x"))
    yield _tar("a pax size for all members", Reason.MISMATCH, pax({"size": "1"}, b"g"), member("x"))
    yield _tar("a folder with bytes", Reason.MISMATCH, member("d", b"abc", b"5"), member("ok"))
    twice = Part("x", NOISE)
    yield _zip("one member under two names", Reason.OVERLAP, twice, Part("x", NOISE, offset=0))
    yield _quoted()
    nested = zip_of(Part("inner", b"evil"))
    into = Part("inner", b"evil", offset=31, packed=b"", said_packed=4)
    yield _zip("a member inside another one", Reason.OVERLAP, Part("o", nested), into)
    skipped = Part("a", b"x", local_extra=struct.pack("<2H", 0xCAFE, 500) + bytes(500))
    shifted = zip_of(skipped).replace(struct.pack("<H", 504), struct.pack("<H", 900), 1)
    yield _bytes(
        "zip: an extra field that reaches into the next part", Action.EXTRACT_ZIP, Reason.CORRUPT, shifted[:-100]
    )


def _foreign() -> Iterator[Hostile]:
    good, tar = zip_of(Part("a"), Part("b")), tgz(member("a"))
    whole = gzip.decompress(tar)
    action = Action.EXTRACT_ZIP
    yield _zip("bytes before it", Reason.FOREIGN, Part("a"), before=b"#!/bin/sh\n")
    yield _bytes("zip: bytes before it, with offsets that know", action, Reason.FOREIGN, _shifted(b"GIF89a", good))
    yield _zip("bytes behind it", Reason.FOREIGN, Part("a"), after=b"more")
    yield _zip("two zips in one", Reason.FOREIGN, Part("a"), before=good)
    yield _zip("a second zip in the comment", Reason.FOREIGN, Part("a"), comment=zip_of(Part("evil")))
    yield _zip("bytes between members", Reason.FOREIGN, Part("a", after=b"hidden"), Part("b"))
    yield _zip("bytes before the directory", Reason.FOREIGN, Part("a"), Part("b", after=b"hidden"))
    yield _zip("a member that is not in the directory", Reason.FOREIGN, Part("a"), Part("b", is_in_directory=False))
    yield _zip(
        "a first member that is not in the directory", Reason.FOREIGN, Part("b", is_in_directory=False), Part("a")
    )
    tail = Part("a", b"abc", method=8, packed=deflated(b"abc") + b"hidden")
    yield _zip("bytes behind deflated ones", Reason.FOREIGN, tail, is_listable=True)
    wrong = struct.pack("<LLL", 1, 2, 3)
    yield _zip("a false descriptor", Reason.FOREIGN, Part("a", flags=8, after=wrong), Part("b"))
    action = Action.EXTRACT_TAR_GZ
    yield _bytes("tar: a second gzip member", action, Reason.FOREIGN, tar + tgz(member("b")))
    halves = gzip.compress(whole[:BLOCK]) + gzip.compress(whole[BLOCK:])
    yield _bytes("tar: two gzip members of one tar", action, Reason.CORRUPT, halves)
    yield _bytes("tar: bytes behind gzip", action, Reason.FOREIGN, tar + b"garbage")
    yield _bytes("tar: bytes far behind gzip", action, Reason.FOREIGN, tar + bytes(200_000) + b"garbage")
    yield _tar("a member behind the end mark", Reason.FOREIGN, member("a"), bytes(BLOCK), member("b"))


def _broken() -> Iterator[Hostile]:
    z, t = Action.EXTRACT_ZIP, Action.EXTRACT_TAR_GZ
    zipped, tarred = plain_zip({"a": NOISE, "b": NOISE}), plain_tgz({"a": NOISE, "b": NOISE})
    for name, action, content in (("zip", z, zipped), ("tar", t, tarred)):
        for length in (0, 1, 20, len(content) // 2, len(content) - 1):
            yield _bytes(f"{name}: cut to {length} bytes", action, Reason.CORRUPT, content[:length])
        yield _bytes(f"{name}: no archive", action, Reason.CORRUPT, b"this is just text, and not short\n" * 9)
    yield _bytes("zip: is a tar.gz", z, Reason.CORRUPT, tarred)
    yield _bytes("tar: is a zip", t, Reason.CORRUPT, zipped)
    yield _zip("a wrong checksum", Reason.CORRUPT, Part("a", said_crc=7), is_listable=True)
    yield _zip(
        "damage in deflated bytes",
        Reason.CORRUPT,
        Part("a", b"abc", method=8, packed=b"\xff\xff\xff"),
        is_listable=True,
    )
    yield _zip(
        "deflated bytes that are cut off",
        Reason.CORRUPT,
        Part("a", NOISE, method=8, packed=deflated(NOISE)[:-9]),
        is_listable=True,
    )
    yield _bytes("tar: a wrong checksum of gzip", t, Reason.CORRUPT, tarred[:-8] + b"\0\0\0\0" + tarred[-4:])
    yield _bytes("tar: a wrong length of gzip", t, Reason.CORRUPT, tarred[:-4] + b"\1\0\0\0")
    yield _tar("a wrong checksum of a header", Reason.CORRUPT, header("a")[:-1] + b"\1")
    yield _tar("no end mark", Reason.CORRUPT, member("a"), end=b"")
    yield _tar("half a header at its end", Reason.CORRUPT, member("a"), end=bytes(100))
    yield _tar("a cut-off file", Reason.CORRUPT, header("a", size=9_000), bytes(100), end=b"")
    yield _tar("a negative size", Reason.CORRUPT, header("a", size_field=b"\xff" * 12))
    yield _tar("a size that is no number", Reason.CORRUPT, header("a", size_field=b"12x4\0"))
    yield _tar("an extended header of nothing", Reason.CORRUPT, member("a"), pax({"path": "b"}))
    for content in (
        b"0 a=b\n",
        b"99 a=b\n",
        b"6 a=bc",
        b"x a=b\n",
        b"5 ab\n",
        b"99999999999999999999 a=b\n",
        b"-6 a=b\n",
    ):
        yield _tar(f"the pax record {content[:12]!r}", Reason.CORRUPT, member("p", content, b"x"), member("a"))
    yield _tar("a pax size that is no number", Reason.CORRUPT, pax({"size": "-1"}), member("a"))
    yield _zip("no members", Reason.EMPTY)
    yield _zip("only a folder", Reason.EMPTY, Part("d/", b"", mode=stat.S_IFDIR | 0o755))
    yield _tar("no members", Reason.EMPTY)
    yield _tar("only its top and a folder", Reason.EMPTY, header("./", b"5"), header("./d/", b"5"))
    yield _zip("only what a Mac leaves", Reason.EMPTY, Part("__MACOSX/x"), Part("d/._x"), Part(".DS_Store"))


def _quoted() -> Hostile:
    """The better zip bomb: each member's bytes begin with a stored block that holds the headers of all that follow."""
    kernel = deflated(bytes(100_000))
    content = bytes(100_000)
    last = Part("2", content, method=8, packed=kernel)
    last_bytes = zip_of(last)[: 31 + len(kernel)]
    block = struct.pack("<BHH", 0, 31, 31 ^ 0xFFFF)
    first = Part("1", last_bytes[:31] + content, method=8, packed=block, said_packed=len(block) + len(last_bytes))
    return _zip("members that quote each other", Reason.OVERLAP, first, last)


def _shifted(before: bytes, content: bytes) -> bytes:
    """Return a zip of two members with bytes before it that its offsets count."""
    end = bytearray(content)
    start = struct.unpack_from("<L", end, len(end) - 6)[0]
    struct.pack_into("<L", end, len(end) - 6, start + len(before))
    at = start
    for _ in range(2):
        offset = struct.unpack_from("<L", end, at + 42)[0]
        struct.pack_into("<L", end, at + 42, offset + len(before))
        at += 46 + 1
    return before + bytes(end)


def _many_zip(count: int | None = None) -> bytes:
    local = b"".join(zip_of(Part(f"{n:06}", b""))[:36] for n in range(100))
    names = [f"{n:06}" for n in range(100_000)]
    entries, body = [], []
    template, entry = zip_of(Part("000000", b""))[:36], zip_of(Part("000000", b""))[36 : 36 + 52]
    for number, name in enumerate(names):
        body.append(template[:30] + name.encode())
        entries.append(entry[:42] + struct.pack("<L", number * 36) + name.encode())
    assert b"".join(body[:100]) == local
    directory, start = b"".join(entries), 36 * len(names)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, len(names), len(names), len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, start + len(directory), 1)
    said = 0xFFFF if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, said, said, len(directory), start, 0)
    wide = record + locator if count is None else b""
    return b"".join(body) + directory + wide + end


def _many_tar() -> bytes:
    return tgz(*(header(f"{number:06}") for number in range(100_000)))


def _long(name: str, kind: bytes = b"L") -> bytes:
    return header("././@LongLink", kind, len(name.encode()) + 1) + padded(name.encode() + b"\0")


HOSTILE = tuple(
    hostile
    for part in (_names, _collisions, _links, _kinds, _sizes, _contradictions, _foreign, _broken)
    for hostile in part()
)
