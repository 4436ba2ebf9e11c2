"""Adds files one after another; one that cannot be added does not keep the others from it."""

from collections.abc import Sequence

import typer

from comfyfleet.cli.asset_files import FileToAdd
from comfyfleet.cli.asset_progress import AssetProgress
from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.output import print_error, print_json_line, say
from comfyfleet.client.asset_upload import Added, FileWords, Stage, UploadRefused, add_file
from comfyfleet.client.library import LibraryPlane
from comfyfleet.client.transfers import FileChanged
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.wording import size_text


def add_files(
    plane: LibraryPlane, files: Sequence[FileToAdd], words: FileWords, kind: AssetKind | None, *, as_json: bool
) -> None:
    """Add each file and tell how it went.

    Raises:
        typer.Exit: At the end, with 1, if a file could not be read, changed or was refused for its bytes.
        Refused, Unreachable, TransferFailed: As these would stop the other files as well, nothing more is tried.
    """
    failed = 0
    with AssetProgress(as_json=as_json) as progress:
        for file in files:
            progress.begin(file.shown)
            try:
                added = add_file(plane, file.path, _words_of(file, words, kind), progress.tell)
            except (FileChanged, UploadRefused, FileNotFoundError, PermissionError) as error:
                progress.end()
                failed += 1
                _tell_failed(file.shown, error, as_json=as_json)
            except KeyboardInterrupt:
                progress.end()
                _tell_interrupted(file.shown, progress.stage)
                raise
            else:
                progress.end()
                tell_added(file.shown, added, as_json=as_json)
    if failed:
        say(f"{failed} of {len(files)} files were not added.")
        raise typer.Exit(ExitCode.FAILED)


def tell_added(name: str, added: Added, *, as_json: bool) -> None:
    """Tell which asset a file or a URL is now."""
    asset = added.asset
    if as_json:
        facts = {"sent": added.sent_bytes, "was_known": added.was_known, "asset": asset}
        print_json_line({"event": "added", "file": name, **facts})
        return
    how = "already in the library" if added.was_known else f"added, {size_text(asset.size)}"
    say(f"{name}: {how}: {asset.kind} {asset.id}, sha256 {asset.sha256[:12]}…")
    if asset.is_quarantined:
        say(f"{name} is in quarantine, for loading it could run code: comfyfleet assets show {asset.id}")


def _words_of(file: FileToAdd, words: FileWords, kind: AssetKind | None) -> FileWords:
    return FileWords(kind or file.kind, words.notes, words.license, words.source_url)


def _tell_failed(name: str, error: Exception, *, as_json: bool) -> None:
    if as_json:
        code = error.code if isinstance(error, FileChanged | UploadRefused) else "file_unreadable"
        print_json_line({"event": "failed", "file": name, "code": code, "message": str(error)})
        return
    hint = error.hint if isinstance(error, FileChanged | UploadRefused) else ""
    print_error(error.message if isinstance(error, FileChanged | UploadRefused) else str(error), hint)


def _tell_interrupted(name: str, stage: Stage | None) -> None:
    if stage is Stage.VERIFYING:
        say(f"{name} was sent; the server goes on to verify it. comfyfleet assets list shows when it is there.")
    else:
        say(f"Interrupted at {name}. What was sent is kept: run the same command again to go on.")
