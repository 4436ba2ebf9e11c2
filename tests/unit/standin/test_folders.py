from pathlib import Path

import pytest

from comfyfleet.standin.folders import BadName, Folders, OutsideFolder, split_mark


def test_the_folders_are_made(tmp_path: Path) -> None:
    Folders(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["input", "output", "temp"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "link/x"])
def test_nothing_outside_is_named(tmp_path: Path, name: str) -> None:
    folders = Folders(tmp_path)
    (tmp_path / "input" / "link").symlink_to(tmp_path)
    with pytest.raises(OutsideFolder):
        folders.named(name)


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "a/../../x"])
def test_nothing_is_saved_outside(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(OutsideFolder):
        Folders(tmp_path).next_output(prefix, "_.png")


@pytest.mark.parametrize("name", ["a\0b", "x" * 256, "sub/" + "ü" * 128, "x/" * 2000, "cut \ud83d.png"])
def test_a_name_that_no_file_can_have_is_told_from_a_crash(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName):
        Folders(tmp_path).named(name)


@pytest.mark.parametrize("prefix", ["", ".", "a/.."])
def test_a_prefix_without_a_name_still_saves_inside(tmp_path: Path, prefix: str) -> None:
    place = Folders(tmp_path).next_output(prefix, "_.png")
    assert place.path == tmp_path / "output" / "._00001_.png"
    assert place.subfolder == ""


def test_a_mark_names_the_folder(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    assert split_mark("a b.png [temp]") == ("a b.png", "temp")
    assert split_mark("a[1].png") == ("a[1].png", None)
    assert folders.named("sub/a.png [output]") == tmp_path / "output" / "sub" / "a.png"
    assert folders.named("a.png") == tmp_path / "input" / "a.png"


def test_the_counter_goes_on_from_the_highest(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    for name in ("out_00003_.png", "out_00007_.mp4", "output_00090_.png", "out_notes.txt"):
        (tmp_path / "output" / name).touch()
    assert folders.next_output("out", "_.png").path.name == "out_00008_.png"
    assert folders.next_output("o(u)t.x", "_.png").path.name == "o(u)t.x_00001_.png"


def test_the_prefix_is_filled_in(tmp_path: Path) -> None:
    place = Folders(tmp_path).next_output("%width%/%height%-%nothing%-%year%", "_.png", width=3, height=4)
    assert place.subfolder == "3"
    assert place.path.name.startswith("4-%nothing%-20")
