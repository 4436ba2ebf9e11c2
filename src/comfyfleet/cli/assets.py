"""`comfyfleet assets`: add, import, list, show, update, delete, release, unused; and `comfyfleet audit`."""

from typing import Annotated

import typer

from comfyfleet.cli.asset_files import files_to_add
from comfyfleet.cli.asset_progress import AssetProgress
from comfyfleet.cli.asset_tables import show_asset, show_assets
from comfyfleet.cli.options import Before, JsonFlag, Limit, YesFlag, confirm, examples, say_more
from comfyfleet.cli.output import print_json, print_json_line, print_table, say, size_text
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.asset_upload import Added, FileWords, add_file, await_stored
from comfyfleet.client.library import LibraryPlane
from comfyfleet.core.assets import AssetKind, kind_by_folders
from comfyfleet.protocol.library import AssetPatch, AssetView, NewAssetImport

app = typer.Typer(no_args_is_help=True, help="The library: files by their content (administrators).")

Reference = Annotated[
    str, typer.Argument(metavar="ASSET", help="Its id, its digest (8 digits are enough), or its name.")
]
Kind = Annotated[AssetKind | None, typer.Option("--kind", "-k", help="What it is; guessed if left out.")]
Notes = Annotated[str, typer.Option("--notes", help="What others should know of it.")]
License = Annotated[str, typer.Option("--license", help="Its licence.")]


def open_library(context: typer.Context) -> LibraryPlane:
    """Return a client of the library of the server that the settings name, or that runs on this machine."""
    return LibraryPlane(find_connection(settings_of(context)))


@app.command(
    epilog=examples(
        "comfyfleet assets add sdxl.safetensors --kind checkpoint",
        "comfyfleet assets add ~/ComfyUI/models",
        "comfyfleet assets add 'loras/*.safetensors' --kind lora --notes 'from the studio'",
    )
)
def add(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files, folders and patterns.")],
    kind: Kind = None,
    notes: Notes = "",
    license_: License = "",
    source_url: Annotated[str | None, typer.Option("--source-url", help="Where it is from.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Add files to the library. Bytes that it has are not sent; an interrupted upload goes on when it is run again."""
    wanted = files_to_add(files)
    with open_library(context) as plane, AssetProgress(as_json=as_json) as progress:
        try:
            for file in wanted:
                progress.begin(file.shown)
                words = FileWords(kind or kind_by_folders(file.shown), notes, license_, source_url)
                added = add_file(plane, file.path, words, progress.tell)
                _tell_added(file.shown, added, as_json=as_json)
        except KeyboardInterrupt:
            say("Interrupted. What was sent is kept: run the same command again to go on.")
            raise


@app.command("import")
def import_(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the file itself, on https.")],
    sha256: Annotated[str | None, typer.Option("--sha256", help="The digest that the file must have.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Its name; else what the server calls it.")] = None,
    kind: Kind = None,
    notes: Notes = "",
    license_: License = "",
    as_json: JsonFlag = False,
) -> None:
    """Let the server bring a file from Hugging Face, Civitai or any other address into the library."""
    new = NewAssetImport(url=url, filename=name, sha256=sha256, kind=kind, notes=notes, license=license_)
    with open_library(context) as plane, AssetProgress(as_json=as_json) as progress:
        upload = plane.import_asset(new)
        progress.begin(upload.filename)
        asset = await_stored(plane, upload, progress.tell)
        _tell_added(upload.filename, Added(asset, 0, upload.was_known), as_json=as_json)


@app.command("list")
def list_assets(
    context: typer.Context,
    search: Annotated[str | None, typer.Argument(metavar="TEXT", help="In names and notes, or a digest.")] = None,
    kind: Kind = None,
    sort: Annotated[str, typer.Option("--sort", help="newest, name or size.")] = "newest",
    unused: Annotated[bool, typer.Option("--unused", help="Only what no bundle needs.")] = False,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="Only what waits for a release.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many to list at most.")] = 50,
    offset: Annotated[int, typer.Option("--offset", min=0, help="How many to leave out.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """List assets, the newest first."""
    with open_library(context) as plane:
        page = plane.assets(
            text=search, kind=kind, sort=sort, unused=unused, quarantined=quarantined, limit=limit, offset=offset
        )
    if as_json:
        print_json(page)
        return
    show_assets(page.items, empty="There are no such assets.")
    if page.total:
        say(f"{page.total} assets, {size_text(page.bytes)}")
    if offset + len(page.items) < page.total:
        say(f"More: --offset {offset + len(page.items)}")


@app.command()
def unused(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List assets that no bundle needs, the largest first, and what they take."""
    list_assets(context, sort="size", unused=True, limit=500, as_json=as_json)


@app.command()
def show(context: typer.Context, asset: Reference, as_json: JsonFlag = False) -> None:
    """Show an asset: what was found in its bytes, and which bundles need it."""
    with open_library(context) as plane:
        _print(plane.asset(asset), as_json=as_json)


@app.command()
def update(
    context: typer.Context,
    asset: Reference,
    kind: Annotated[AssetKind | None, typer.Option("--kind", "-k", help="Its kind.")] = None,
    notes: Annotated[str | None, typer.Option("--notes", help="New notes.")] = None,
    license_: Annotated[str | None, typer.Option("--license", help="Its licence.")] = None,
    source_url: Annotated[str | None, typer.Option("--source-url", help="Where it is from.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Change what is said of an asset. Its kind can be changed as long as no bundle needs it."""
    patch = AssetPatch(kind=kind, notes=notes, license=license_, source_url=source_url)
    with open_library(context) as plane:
        _print(plane.update_asset(asset, patch), as_json=as_json)


@app.command()
def delete(
    context: typer.Context,
    assets: Annotated[list[str], typer.Argument(metavar="ASSET…", help="Ids, digests or names.")],
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete assets that no bundle needs, and their bytes."""
    with open_library(context) as plane:
        found = [plane.asset(asset) for asset in assets]
        names = ", ".join(asset.filenames[-1] if asset.filenames else asset.sha256[:12] for asset in found)
        confirm(f"Delete {names} ({size_text(sum(asset.size for asset in found))}) for good?", yes=yes)
        deleted = [plane.delete_asset(str(asset.id)) for asset in found]
    if as_json:
        print_json(deleted)
    else:
        say(f"deleted {names}")


@app.command()
def release(context: typer.Context, asset: Reference, yes: YesFlag = False, as_json: JsonFlag = False) -> None:
    """Let a quarantined asset be used, though loading it could run code."""
    with open_library(context) as plane:
        found = plane.asset(asset)
        confirm(f"Release {found.filenames[-1] if found.filenames else asset}? Loading it may run code.", yes=yes)
        _print(plane.release_asset(str(found.id)), as_json=as_json)


def audit(
    context: typer.Context,
    subject: Annotated[str | None, typer.Argument(help="Only what was done to this, such as a digest.")] = None,
    before: Before = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """List what administrators did, the newest first."""
    with open_library(context) as plane:
        page = plane.audit(subject=subject, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [
        (entry.at, entry.actor, entry.action, entry.subject, entry.detail.get("filename") or "") for entry in page.items
    ]
    print_table(("AT", "WHO", "ACT", "SUBJECT", "NAME"), rows, empty="Nothing was done yet.")
    say_more("comfyfleet audit", page.next_before)


def _tell_added(name: str, added: Added, *, as_json: bool) -> None:
    if as_json:
        print_json_line(
            {
                "event": "added",
                "file": name,
                "sent": added.sent_bytes,
                "was_known": added.was_known,
                "asset": added.asset,
            }
        )
        return
    asset = added.asset
    how = "already in the library" if added.was_known else f"added, {size_text(asset.size)}"
    say(f"{name}: {how}: {asset.kind} {asset.id}, sha256 {asset.sha256[:12]}…")
    if asset.is_quarantined:
        say(f"{name} is in quarantine, for loading it could run code: comfyfleet assets show {asset.id}")


def _print(asset: AssetView, *, as_json: bool) -> None:
    if as_json:
        print_json(asset)
    else:
        show_asset(asset)
