"""`comfyfleet assets`: add, import, list, show, update, delete, release, unused."""

import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer

from comfyfleet.cli.asset_adding import add_files, tell_added
from comfyfleet.cli.asset_files import files_to_add
from comfyfleet.cli.asset_progress import AssetProgress
from comfyfleet.cli.asset_tables import name_of, show_asset, show_assets
from comfyfleet.cli.options import JsonFlag, YesFlag, confirm, examples
from comfyfleet.cli.output import print_json, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.asset_upload import Added, FileWords, await_stored
from comfyfleet.client.library import LibraryPlane
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.wording import size_text
from comfyfleet.protocol.library import AssetPatch, AssetView, NewAssetImport

app = typer.Typer(no_args_is_help=True, help="The library: files by their content (administrators).")

Reference = Annotated[
    str, typer.Argument(metavar="ASSET", help="Its id, its digest (8 digits are enough), or its name.")
]
Kind = Annotated[AssetKind | None, typer.Option("--kind", "-k", help="What it is; guessed if left out.")]
Notes = Annotated[str, typer.Option("--notes", help="What others should know of it.")]
License = Annotated[str, typer.Option("--license", help="Its licence.")]


class Order(StrEnum):
    """What comes first in a list."""

    NEWEST = "newest"
    NAME = "name"
    SIZE = "size"


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
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Add files to the library. Bytes that it has are not sent; an interrupted upload goes on when it is run again.

    Of a folder, models and archives are taken from its whole depth; folders such as loras tell the kind.
    """
    said = make(AssetPatch, notes=notes, license=license_, source_url=source_url)
    wanted = files_to_add(files)
    if len(wanted) > 1 and sys.stdin.isatty() and not as_json:
        confirm(f"Add {len(wanted)} files, {size_text(sum(file.size for file in wanted))}?", yes=yes)
    words = FileWords(None, notes, license_, said.source_url or None)
    with open_library(context) as plane:
        add_files(plane, wanted, words, kind, as_json=as_json)


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
    digest = sha256.lower() if sha256 is not None else None
    new = make(NewAssetImport, url=url, filename=name, sha256=digest, kind=kind, notes=notes, license=license_)
    with open_library(context) as plane:
        upload = plane.import_asset(new)
        with AssetProgress(as_json=as_json) as progress:
            progress.begin(upload.filename)
            try:
                asset = await_stored(plane, upload, progress.tell)
            except KeyboardInterrupt:
                say("The server goes on by itself. comfyfleet assets list shows when it is there.")
                raise
        tell_added(upload.filename, Added(asset, 0, upload.was_known), as_json=as_json)


@app.command("list")
def list_assets(
    context: typer.Context,
    search: Annotated[
        str | None, typer.Option("--search", "-s", metavar="TEXT", help="In names and notes, or how a digest begins.")
    ] = None,
    kind: Annotated[AssetKind | None, typer.Option("--kind", "-k", help="Only this kind.")] = None,
    sort: Annotated[Order, typer.Option("--sort", help="What comes first.")] = Order.NEWEST,
    unused: Annotated[bool, typer.Option("--unused", help="Only what no bundle needs.")] = False,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="Only what waits for a release.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many on a page.")] = 50,
    page: Annotated[int, typer.Option("--page", min=1, help="Which page.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """List assets, their number and their size."""
    with open_library(context) as plane:
        found = plane.assets(
            text=search,
            kind=kind,
            sort=sort,
            unused=unused,
            quarantined=quarantined,
            limit=limit,
            offset=(page - 1) * limit,
        )
    if as_json:
        print_json(found)
        return
    show_assets(found.items, empty="There are no such assets." if page == 1 else f"There is no page {page}.")
    if found.total:
        say(f"{found.total} assets, {size_text(found.bytes)}")
    if page * limit < found.total:
        say(f"More: --page {page + 1}")


@app.command()
def unused(
    context: typer.Context,
    page: Annotated[int, typer.Option("--page", min=1, help="Which page, of 500 each.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """List assets that no bundle needs, the largest first, and what they take."""
    list_assets(context, sort=Order.SIZE, unused=True, limit=500, page=page, as_json=as_json)


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
    source_url: Annotated[str | None, typer.Option("--source-url", help="Where it is from; empty for none.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Change what is said of an asset. Its kind can be changed as long as no bundle needs it."""
    patch = make(AssetPatch, kind=kind, notes=notes, license=license_, source_url=source_url)
    with open_library(context) as plane:
        _print(plane.update_asset(asset, patch), as_json=as_json)


@app.command()
def delete(
    context: typer.Context,
    assets: Annotated[list[str], typer.Argument(metavar="ASSET…", help="Ids, digests or names.")],
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete assets and their bytes. As long as a bundle needs one of them, nothing is deleted."""
    with open_library(context) as plane:
        # What is in use comes first, so that the server refuses before anything is gone.
        found = sorted(_each_once(plane.asset(asset) for asset in assets), key=lambda asset: not asset.used_by)
        size = size_text(sum(asset.size for asset in found))
        if not any(asset.used_by for asset in found):
            confirm(f"Delete {', '.join(map(name_of, found))} ({size}) for good?", yes=yes)
        for asset in found:
            plane.delete_asset(str(asset.id))
            if not as_json:
                say(f"deleted {name_of(asset)}, {size_text(asset.size)}")
    if as_json:
        print_json(found)


@app.command()
def release(context: typer.Context, asset: Reference, yes: YesFlag = False, as_json: JsonFlag = False) -> None:
    """Let a quarantined asset be used, though loading it could run code."""
    with open_library(context) as plane:
        found = plane.asset(asset)
        if found.is_quarantined:
            say(f"Loading {name_of(found)} may run code; comfyfleet assets show {found.id} tells what was found in it.")
            confirm(f"Release {name_of(found)}?", yes=yes)
        _print(plane.release_asset(str(found.id)), as_json=as_json)


def _each_once(assets: Iterable[AssetView]) -> Iterable[AssetView]:
    return {asset.id: asset for asset in assets}.values()


def _print(asset: AssetView, *, as_json: bool) -> None:
    if as_json:
        print_json(asset)
    else:
        show_asset(asset)
