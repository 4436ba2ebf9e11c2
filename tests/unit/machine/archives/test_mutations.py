"""Archives changed at random are unpacked inside their folder or refused; nothing else happens."""

import gzip
import hashlib
import io
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.machine.archives.building import Part, header, member, pax, tgz, zip_of

from comfyfleet.core.archives import ArchiveLimits, ArchiveRefused, list_members
from comfyfleet.core.bundles import Action
from comfyfleet.machine.unpacking import unpack

ROUNDS = 400
LIMITS = ArchiveLimits(
    max_members=200, max_total_bytes=10**6, max_file_bytes=10**6, max_ratio=50, ratio_from_bytes=10**5
)
NOISE = random.Random(7).randbytes(3000)  # noqa: S311 - the same bytes each time
GOOD_ZIP = zip_of(
    Part("Node/a.py", b"x = 1\n" * 40, method=8), Part("Node/d/", b"", mode=stat.S_IFDIR | 0o755),
    Part("Node/d/b", NOISE), Part("Node/l", b"d/b", mode=stat.S_IFLNK | 0o777),
    Part("Node/d/c", NOISE * 3, method=8, mode=stat.S_IFREG | 0o755),
)  # fmt: skip
GOOD_TAR = gzip.decompress(
    tgz(
        header("./", b"5"), member("./a.py", b"x = 1\n" * 40), pax({"path": "./d/" + "n" * 120, "mtime": "1.5"}),
        member("x", NOISE), header("./l", b"2", link="a.py"), header("./h", b"1", link="./a.py"),
        member("./d/c", NOISE * 3, mode=0o755),
    )
)  # fmt: skip
INTERESTING = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"/",
    b"../",
    b"\\",
    b"\x80",
    b"PK\x05\x06",
    b"PK\x01\x02",
    b"1",
    b"2",
)


def _repack(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _same(content: bytes) -> bytes:
    return content


def _resum(content: bytes) -> bytes:
    """Make the checksums of headers right again, so that what lies behind them is reached."""
    blocks = bytearray(content)
    for at in range(0, len(blocks) - 511, 512):
        if blocks[at + 257 : at + 262] == b"ustar":
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 156] = f"{sum(blocks[at : at + 512]):06o}\0 ".encode()
    return _repack(bytes(blocks))


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return content with some bytes changed, cut out, doubled, moved, or put in."""
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = chance.randrange(len(content))
        length = chance.choice((1, 2, 4, 30, 512))
        piece = content[at : at + length]
        content = (
            chance.choice(
                (
                    content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :],
                    content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :],
                    content[:at] + (special := chance.choice(INTERESTING)) + content[at + len(special) :],
                    content[:at] + content[at + length :],
                    content[:at] + piece + content[at:],
                    content[:at] + chance.choice(INTERESTING) + content[at:],
                    content[: max(1, at)],
                )
            )
            or b"\0"
        )
    return content


def _headers(content: bytes, chance: random.Random) -> bytes:
    """Change only bytes that are headers: there most of what can go wrong is said."""
    starts = [at for at in range(0, len(content) - 511, 512) if content[at + 257 : at + 262] == b"ustar"]
    at = chance.choice(starts) + chance.choice((chance.randrange(0, 100), chance.randrange(100, 265)))
    return content[:at] + (special := chance.choice(INTERESTING)) + content[at + len(special) :]


def outside(folder: Path) -> dict[str, str]:
    """Return all that lies around the target."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
        if (folder / "stage" / "Node") not in (path, *path.parents) and path.name != "archive"
    }


CASES: tuple[tuple[str, Action, bytes, Callable[[bytes, random.Random], bytes], Callable[[bytes], bytes]], ...] = (
    ("zip", Action.EXTRACT_ZIP, GOOD_ZIP, mutated, _same),
    ("gzip", Action.EXTRACT_TAR_GZ, _repack(GOOD_TAR), mutated, _same),
    ("tar", Action.EXTRACT_TAR_GZ, GOOD_TAR, mutated, _repack),
    ("tar-resummed", Action.EXTRACT_TAR_GZ, GOOD_TAR, mutated, _resum),
    ("tar-headers", Action.EXTRACT_TAR_GZ, GOOD_TAR, _headers, _resum),
)


@pytest.mark.parametrize(("title", "action", "good", "change", "finish"), CASES, ids=[case[0] for case in CASES])
def test_a_mutated_archive_is_unpacked_inside_or_refused(
    title: str,
    action: Action,
    good: bytes,
    change: Callable[[bytes, random.Random], bytes],
    finish: Callable[[bytes], bytes],
    tmp_path: Path,
) -> None:
    chance = random.Random(f"{title} 20260220")  # noqa: S311 - the same mutations each time
    (tmp_path / "stage").mkdir()
    (tmp_path / "up").write_text("mine")
    target, archive = tmp_path / "stage" / "Node", tmp_path / "archive"
    before = outside(tmp_path)
    unpacked = 0
    for round_number in range(ROUNDS):
        content = finish(change(good, chance))
        archive.write_bytes(content)
        try:
            files = unpack(archive, action, target, limits=LIMITS)
        except ArchiveRefused:
            assert not target.exists()
        else:
            unpacked += 1
            found = {str(path.relative_to(target)): path for path in target.rglob("*") if not path.is_dir()}
            assert {file.path: file.size for file in files} == {
                name: path.stat().st_size for name, path in found.items()
            }
            assert all(path.is_file() and not path.is_symlink() for path in found.values())
            assert all(stat.S_IMODE(path.stat().st_mode) in {0o644, 0o755} for path in found.values())
            assert list_members(io.BytesIO(content), action, limits=LIMITS).problem is None
            _remove(target)
        assert outside(tmp_path) == before, round_number
    assert unpacked < ROUNDS
    if title.startswith("tar"):
        assert unpacked > 0


@pytest.mark.parametrize(
    ("action", "content"), [(Action.EXTRACT_ZIP, GOOD_ZIP), (Action.EXTRACT_TAR_GZ, _repack(GOOD_TAR))]
)
def test_unchanged_they_are_good(action: Action, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(content)
    assert len(unpack(tmp_path / "archive", action, tmp_path / "Node", limits=LIMITS)) in {4, 5}


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    folder.rmdir()
