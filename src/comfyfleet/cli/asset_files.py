"""Which files `assets add` means: files, folders and patterns."""

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.output import say
from comfyfleet.core.assets import archive_suffix

_MODELS: Final = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx"})


@dataclass(frozen=True)
class FileToAdd:
    """A file, and its path below the folder that was named: a folder such as `loras` tells the kind."""

    path: Path
    shown: str


def files_to_add(named: Iterable[str]) -> list[FileToAdd]:
    """Return each file once, in the order in which they were named.

    Of a folder only models and archives are taken, from its whole depth; hidden files are left out.

    Raises:
        UsageProblem: Nothing is there, or a file is empty.
    """
    found: dict[Path, FileToAdd] = {}
    for name in named:
        for file in _expand(name):
            found.setdefault(file.path.resolve(), file)
    for file in found.values():
        if file.path.stat().st_size == 0:
            raise UsageProblem(f"{file.path} is empty.", hint="Leave it out, or download it again.")
    return list(found.values())


def _expand(name: str) -> Iterator[FileToAdd]:
    path = Path(name).expanduser()
    if path.is_file():
        yield FileToAdd(path, path.name)
    elif path.is_dir():
        yield from _of_folder(path)
    else:
        yield from _of_pattern(name)


def _of_folder(folder: Path) -> Iterator[FileToAdd]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    wanted = [path for path in files if path.suffix.lower() in _MODELS or archive_suffix(path.name)]
    if not wanted:
        raise UsageProblem(f"{folder} holds no models and no archives.", hint="Name the files themselves.")
    if len(wanted) < len(files):
        say(f"{folder}: {len(files) - len(wanted)} files are neither models nor archives and are left out")
    for path in wanted:
        yield FileToAdd(
            path, path.relative_to(folder.resolve().parent if folder.name == "" else folder.parent).as_posix()
        )


def _of_pattern(pattern: str) -> Iterator[FileToAdd]:
    matches = sorted(glob.glob(str(Path(pattern).expanduser()), recursive=True))  # noqa: PTH207 - absolute ones, too
    files = [Path(match) for match in matches if Path(match).is_file()]
    if not files:
        raise UsageProblem(f"There is no file {pattern}.", hint="Check its name and the folder you are in.")
    for path in files:
        yield FileToAdd(path, path.name)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
