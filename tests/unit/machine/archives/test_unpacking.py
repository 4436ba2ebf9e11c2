"""Archives as people make them come out whole, and with nothing but their bytes and their executable bits."""

import hashlib
import io
import os
import resource
import stat
import struct
import subprocess
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.machine.archives.building import (
    BLOCK,
    Part,
    header,
    member,
    pax,
    plain_tgz,
    plain_zip,
    tgz,
    zip_of,
)

from comfyfleet.core.archives import ArchiveLimits, ArchiveRefused
from comfyfleet.core.bundles import Action
from comfyfleet.machine.errors import DiskFull, DiskRefuses
from comfyfleet.machine.unpacking import UnpackedFile, unpack

ZIP, TAR = Action.EXTRACT_ZIP, Action.EXTRACT_TAR_GZ
NOISE = bytes((at * at * 31 + at // 7) % 251 for at in range(700_000))
TREE = {"__init__.py": b"x = 1\n", "web/deep/ly/a.js": NOISE, "empty.txt": b"", "\u00e9\u00e8 \u65e5.txt": b"name"}
LINK = stat.S_IFLNK | 0o777


def unpacked(tmp_path: Path, action: Action, content: bytes, name: str = "Node") -> tuple[UnpackedFile, ...]:
    """Unpack into a folder of that name."""
    archive = tmp_path / "archive"
    archive.write_bytes(content)
    return unpack(archive, action, tmp_path / name)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mode_of(path: Path) -> int:
    """Return the mode without the file type."""
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """Let files that are made be for their owner only, unless told otherwise."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_of_each_format_comes_out_whole(tmp_path: Path, tar_format: int) -> None:
    long_name = {"/".join(["folder_of_forty_characters_in_its_name_x"] * 4) + "/a.py": b"deep"}
    files = unpacked(tmp_path, TAR, plain_tgz(TREE | long_name, tar_format))
    assert contents(tmp_path / "Node") == TREE | long_name
    assert {file.path: file.sha256 for file in files} == {
        path: hashlib.sha256(content).hexdigest() for path, content in (TREE | long_name).items()
    }
    assert [file.path for file in files] == sorted(TREE | long_name)


def test_a_zip_comes_out_whole(tmp_path: Path) -> None:
    files = unpacked(tmp_path, ZIP, plain_zip(TREE))
    assert contents(tmp_path / "Node") == TREE
    assert {file.path: file.size for file in files} == {path: len(content) for path, content in TREE.items()}


def test_a_name_that_is_not_short_comes_out_of_a_gnu_tar(tmp_path: Path) -> None:
    path = "/".join(["n" * 90] * 5)
    assert unpacked(tmp_path, TAR, plain_tgz({path: b"x"}, tarfile.GNU_FORMAT))[0].path == path


def test_tar_of_a_folders_own_top_works(tmp_path: Path) -> None:
    source = tmp_path / "dir"
    (source / "sub").mkdir(parents=True)
    (source / "a.py").write_text("a")
    (source / "sub" / "run.sh").write_text("b")
    (source / "sub" / "run.sh").chmod(0o755)
    subprocess.run(["tar", "czf", str(tmp_path / "x.tgz"), "-C", str(source), "."], check=True)
    files = unpack(tmp_path / "x.tgz", TAR, tmp_path / "Node")
    assert [(file.path, file.is_executable) for file in files] == [("a.py", False), ("sub/run.sh", True)]


def test_a_zip_that_was_written_to_a_pipe_works(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            super().__init__()
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            piece = bytes(data)  # type: ignore[call-overload]  # any buffer
            self.content += piece
            return len(piece)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in TREE.items():
            archive.writestr(name, content)
    assert b"PK\x07\x08" in pipe.content
    unpacked(tmp_path, ZIP, pipe.content)
    assert contents(tmp_path / "Node") == TREE


def test_a_zip_with_wide_fields_works(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a.bin", "w", force_zip64=True) as file:
        file.write(NOISE)
    small = out.getvalue()
    end = small[-22:]
    count, length, start = struct.unpack_from("<10xH2L", end)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, start + length, 1)
    none = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    unpacked(tmp_path, ZIP, small[:-22] + record + locator + none)
    assert contents(tmp_path / "Node") == {"a.bin": NOISE}


@pytest.mark.parametrize("way", ["<LLL", "<4sLLL", "<LQQ", "<4sLQQ"])
def test_each_way_to_tell_sizes_behind_a_member_works(tmp_path: Path, way: str) -> None:
    told = (zlib.crc32(b"abc"), 3, 3)
    after = struct.pack(way, *((b"PK\x07\x08",) if "4s" in way else ()), *told)
    unpacked(tmp_path, ZIP, zip_of(Part("a", b"abc", flags=8, after=after), Part("b")))
    assert contents(tmp_path / "Node") == {"a": b"abc", "b": b"x"}


def test_the_comment_of_a_zip_is_no_harm(tmp_path: Path) -> None:
    unpacked(tmp_path, ZIP, zip_of(Part("a"), comment=b"0123456789abcdef0123456789abcdef01234567"))
    assert contents(tmp_path / "Node") == {"a": b"x"}


def test_a_stored_zip_inside_a_zip_is_a_file_like_others(tmp_path: Path) -> None:
    inner = zip_of(Part("inner"))
    unpacked(tmp_path, ZIP, zip_of(Part("in.zip", inner)))
    assert contents(tmp_path / "Node") == {"in.zip": inner}


def test_what_git_and_tapes_add_is_no_harm(tmp_path: Path) -> None:
    content = tgz(pax({"comment": "0123abcd"}, b"g"), member("Node-main/a")) + bytes(3000)
    unpacked(tmp_path, TAR, content)
    assert contents(tmp_path / "Node") == {"a": b"x"}


def test_a_file_may_be_larger_than_a_headers_digits(tmp_path: Path) -> None:
    size = 8**11 + 1
    content = tgz(pax({"size": str(size)}), header("a", size=0))
    with pytest.raises(ArchiveRefused, match="is cut off"):
        unpacked(tmp_path, TAR, content)


def test_names_without_the_flag_for_utf8_are_tried_as_utf8_first(tmp_path: Path) -> None:
    files = unpacked(tmp_path, ZIP, zip_of(Part("\u00e9.txt".encode()), Part(b"\x82.md")))
    assert [file.path for file in files] == ["\u00e9.md", "\u00e9.txt"]


@pytest.mark.usefixtures("strict_umask")
@pytest.mark.parametrize("action", [ZIP, TAR])
def test_modes_are_644_and_755_whatever_the_archive_and_the_umask_say(tmp_path: Path, action: Action) -> None:
    modes = {"plain": 0o000, "all": 0o777, "setuid": 0o6755, "sticky": 0o1666, "group": 0o010}
    if action is ZIP:
        content = zip_of(*(Part(f"d/{name}", mode=stat.S_IFREG | mode) for name, mode in modes.items()))
    else:
        content = tgz(
            header("d/", b"5", mode=0o7777), *(member(f"d/{name}", mode=mode) for name, mode in modes.items())
        )
    files = unpacked(tmp_path, action, content)
    found = {path.name: mode_of(path) for path in (tmp_path / "Node" / "d").iterdir()}
    assert found == {"plain": 0o644, "all": 0o755, "setuid": 0o755, "sticky": 0o644, "group": 0o644}
    assert mode_of(tmp_path / "Node") == mode_of(tmp_path / "Node" / "d") == 0o755
    assert {file.path for file in files if file.is_executable} == {"d/all", "d/setuid"}


def test_times_of_the_archive_are_not_taken_over(tmp_path: Path) -> None:
    unpacked(tmp_path, TAR, tgz(member("a")))
    assert (tmp_path / "Node" / "a").stat().st_mtime > 1_000_000_000


def test_links_become_the_files_that_they_stand_for(tmp_path: Path) -> None:
    members = (
        header("CLAUDE.md", b"2", link="docs/../AGENTS.md"), header("d/again", b"2", link="../CLAUDE.md"),
        member("AGENTS.md", b"read me", mode=0o755), header("hard", b"1", link="./AGENTS.md"),
    )  # fmt: skip
    files = unpacked(tmp_path, TAR, tgz(*members))
    assert contents(tmp_path / "Node") == dict.fromkeys(("AGENTS.md", "CLAUDE.md", "d/again", "hard"), b"read me")
    assert not any(path.is_symlink() for path in (tmp_path / "Node").rglob("*"))
    assert len({path.stat().st_ino for path in (tmp_path / "Node").rglob("*") if path.is_file()}) == 4
    assert all(file.is_executable for file in files)


def test_links_of_a_zip_become_files(tmp_path: Path) -> None:
    unpacked(tmp_path, ZIP, zip_of(Part("l", b"d/a", LINK), Part("d/a", b"content")))
    assert contents(tmp_path / "Node") == {"l": b"content", "d/a": b"content"}


def test_what_a_mac_adds_is_left_out(tmp_path: Path) -> None:
    names = ("a.py", "._a.py", ".DS_Store", "__MACOSX/._a.py", "d/.DS_Store", ".github/x", "_._")
    files = unpacked(tmp_path, TAR, tgz(*map(member, names)))
    assert [file.path for file in files] == [".github/x", "_._", "a.py"]


@pytest.mark.parametrize(
    ("target", "top"),
    [
        ("ComfyUI-Foo", "ComfyUI-Foo"), ("ComfyUI-Foo", "comfyui-foo"), ("ComfyUI-Foo", "ComfyUI-Foo-main"),
        ("ComfyUI-Foo", "ComfyUI-Foo-1.2.3"), ("ComfyUI-Foo", "ComfyUI-Foo-feature-x"),
        ("ComfyUI-Foo", "some-owner-ComfyUI-Foo-1a2b3c4"), ("a+b", "a+b-main"),
    ],
)  # fmt: skip
def test_one_top_folder_that_repeats_the_targets_name_is_left_out(tmp_path: Path, target: str, top: str) -> None:
    files = unpacked(tmp_path, ZIP, plain_zip({f"{top}/a.py": b"a", f"{top}/d/b.py": b"b"}), target)
    assert contents(tmp_path / target) == {"a.py": b"a", "d/b.py": b"b"}
    assert [file.path for file in files] == ["a.py", "d/b.py"]


@pytest.mark.parametrize(
    "names",
    [
        ("Foo/a", "b"), ("Foo/a", "Bar/b"), ("Foobar/a",), ("Fo/a",), ("Bar/a",), ("my-Foo/a",), ("my-Foo-main/a",),
        ("Foo",), ("Foo-main",), ("Foo-/a",),
    ],
)  # fmt: skip
def test_other_top_folders_stay(tmp_path: Path, names: tuple[str, ...]) -> None:
    unpacked(tmp_path, TAR, plain_tgz(dict.fromkeys(names, b"x")), "Foo")
    assert set(contents(tmp_path / "Foo")) == set(names)


def test_the_folder_is_left_out_once_only(tmp_path: Path) -> None:
    unpacked(tmp_path, TAR, plain_tgz({"Foo/Foo/a": b"x"}), "Foo")
    assert set(contents(tmp_path / "Foo")) == {"Foo/a"}


def test_empty_folders_are_kept(tmp_path: Path) -> None:
    unpacked(tmp_path, TAR, tgz(header("d/e/", b"5"), member("a")))
    assert (tmp_path / "Node" / "d" / "e").is_dir()


def test_bytes_are_counted_as_they_are_written(tmp_path: Path) -> None:
    counts: list[int] = []
    (tmp_path / "archive").write_bytes(plain_zip(TREE))
    unpack(tmp_path / "archive", ZIP, tmp_path / "Node", on_bytes=counts.append)
    assert sum(counts) == sum(map(len, TREE.values()))
    assert max(counts) <= 2**18


@pytest.mark.parametrize("make", ["file", "folder", "link"])
def test_a_target_that_exists_is_left_alone(tmp_path: Path, make: str) -> None:
    target = tmp_path / "Node"
    if make == "file":
        target.touch()
    elif make == "folder":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    inode = target.lstat().st_ino
    with pytest.raises(DiskRefuses, match="exists"):
        unpacked(tmp_path, ZIP, plain_zip(TREE))
    assert target.lstat().st_ino == inode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Node", "archive"]


def test_what_a_killed_run_has_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "Node.unpacking" / "__init__.py").mkdir(parents=True)
    unpacked(tmp_path, ZIP, plain_zip(TREE))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Node", "archive"]
    assert contents(tmp_path / "Node") == TREE


def test_nothing_is_left_when_the_disk_is_full(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(plain_zip(TREE))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        with pytest.raises(DiskFull):
            unpack(tmp_path / "archive", ZIP, tmp_path / "Node")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_nothing_is_left_when_somebody_interrupts(tmp_path: Path) -> None:
    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "archive").write_bytes(plain_tgz(TREE))
    with pytest.raises(KeyboardInterrupt):
        unpack(tmp_path / "archive", TAR, tmp_path / "Node", on_bytes=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_an_archive_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DiskRefuses, match="gone"):
        unpack(tmp_path / "gone", ZIP, tmp_path / "Node")


@pytest.mark.parametrize("action", [ZIP, TAR])
def test_memory_does_not_grow_with_a_file(tmp_path: Path, action: Action) -> None:
    content = NOISE * 60
    (tmp_path / "archive").write_bytes(plain_zip({"a": content}) if action is ZIP else plain_tgz({"a": content}))
    tracemalloc.start()
    try:
        unpack(tmp_path / "archive", action, tmp_path / "Node", limits=ArchiveLimits(max_ratio=2000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20


def test_a_tar_whose_end_mark_is_one_block_works(tmp_path: Path) -> None:
    unpacked(tmp_path, TAR, tgz(member("a"), end=bytes(BLOCK)))
    assert contents(tmp_path / "Node") == {"a": b"x"}
