"""Which files `assets add` means: files, folders and patterns."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.output import say
from comfyfleet.core.assets import SUFFIXES_TAKEN, AssetKind, archive_suffix, kind_by_folders

_SHOWN: Final = 5


@dataclass(frozen=True)
class FileToAdd:
    """A file, and how it is shown: with the folder that was named, if one was. `size` is in bytes."""

    path: Path
    shown: str
    size: int

    @property
    def kind(self) -> AssetKind | None:
        """The kind that a folder such as `loras` above it tells; None for an archive, and elsewhere."""
        if archive_suffix(self.path.name) is not None:
            return None
        kind = kind_by_folders(self.path.absolute().as_posix())
        return None if kind is AssetKind.CUSTOM_NODE else kind  # a model that lies beside a node's code


def files_to_add(named: Iterable[str]) -> list[FileToAdd]:
    """Return each file once, in the order in which they were named, and say which are left out.

    Of a folder or a pattern only models and archives are taken, of a folder from its whole depth; hidden and empty
    files are left out. A file that is named itself is taken whatever it is.

    Raises:
        UsageProblem: Nothing is there, or a named file is empty.
    """
    found: dict[Path, FileToAdd] = {}
    for name in named:
        for file in _expand(name):
            found.setdefault(file.path.resolve(), file)
    return list(found.values())


def _expand(name: str) -> Iterator[FileToAdd]:
    path = Path(name).expanduser()
    if path.is_file():
        yield _named_file(path)
    elif path.is_dir():
        yield from _chosen(_of_folder(path), name)
    else:
        yield from _chosen(_of_pattern(name), name)


def _named_file(path: Path) -> FileToAdd:
    file = FileToAdd(path, path.name, path.stat().st_size)
    if file.size == 0:
        raise UsageProblem(f"{path} is empty.", hint="Leave it out, or download it again.")
    return file


def _of_folder(folder: Path) -> list[FileToAdd]:
    top = folder.resolve().name
    return [
        FileToAdd(path, f"{top}/{path.relative_to(folder).as_posix()}", path.stat().st_size)
        for path in _walk(folder)
        if path.is_file()
    ]


def _walk(folder: Path) -> Iterator[Path]:
    """Yield what is not hidden below a folder, through links to folders, too, as models often lie on another disk."""
    seen: set[Path] = set()
    for where, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        place = Path(where).resolve()
        if place in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if not name.startswith("."))


def _raise(error: OSError) -> None:
    raise error


def _of_pattern(pattern: str) -> list[FileToAdd]:
    matches = sorted(glob.glob(str(Path(pattern).expanduser()), recursive=True))  # noqa: PTH207 - absolute ones, too
    files = [Path(match) for match in matches if Path(match).is_file()]
    if not files:
        raise UsageProblem(f"There is no file {pattern}.", hint="Check its name and the folder you are in.")
    return [FileToAdd(path, path.name, path.stat().st_size) for path in files]


def _chosen(files: list[FileToAdd], name: str) -> list[FileToAdd]:
    """Return the models and archives that are not empty; say what is left out."""
    wanted = [file for file in files if _is_wanted(file.path.name)]
    whole = [file for file in wanted if file.size]
    if not whole:
        raise UsageProblem(f"{name} holds no models and no archives.", hint="Name the files themselves.")
    _say_left_out(name, "neither models nor archives", [file for file in files if file not in wanted])
    _say_left_out(name, "empty", [file for file in wanted if not file.size])
    return whole


def _is_wanted(filename: str) -> bool:
    return filename.lower().endswith(SUFFIXES_TAKEN)


def _say_left_out(name: str, why: str, files: list[FileToAdd]) -> None:
    if files:
        shown = ", ".join(file.path.name for file in files[:_SHOWN])
        more = ", …" if len(files) > _SHOWN else ""
        say(f"{name}: left out as {why}: {len(files)} ({shown}{more})")
