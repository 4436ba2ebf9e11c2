"""`comfyfleet bundles`: list, show, create, diff, manifest, delete, gc."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from comfyfleet.cli import bundle_apply
from comfyfleet.cli.bundle_entries import parse_entry, split_workflows
from comfyfleet.cli.bundle_tables import name_of, show_bundle, show_difference, show_list, show_plan
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.options import JsonFlag, YesFlag, confirm, examples
from comfyfleet.cli.output import print_json, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.bundles import BundlePlane
from comfyfleet.core.wording import size_text
from comfyfleet.protocol.bundles import BundlePlan, NewBundle

app = typer.Typer(no_args_is_help=True, help="Bundles: sets of assets and where each goes (administrators).")

app.command("apply", epilog=examples("comfyfleet bundles apply sdxl@3 --instance i-0123456789abcdef0 --stage staging"))(
    bundle_apply.apply
)

Bundle = Annotated[str, typer.Argument(metavar="BUNDLE", help="Its name (the newest), name@version, or id.")]
Assets = Annotated[
    list[str] | None,
    typer.Option(
        "--asset",
        "-a",
        metavar="REF[=TARGET][:ACTION]",
        help="Asset by id, digest or file name; where it goes; copy, extract_zip or extract_tar_gz.",
    ),
]
ForWorkflows = Annotated[
    list[str] | None,
    typer.Option("--for-workflow", metavar="SLUG|FILE", help="Add what this workflow needs and the rest lacks."),
]
Remove = Annotated[list[str] | None, typer.Option("--remove", metavar="REF", help="With --from: leave this asset out.")]
Lock = Annotated[
    Path | None,
    typer.Option("--requirements-lock", metavar="FILE", help="Pinned requirements of its custom nodes, for pip."),
]


def open_bundles(context: typer.Context) -> BundlePlane:
    """Return a client of bundles for the server that the settings name, or that runs on this machine."""
    return BundlePlane(find_connection(settings_of(context)))


@app.command("list")
def list_bundles(
    context: typer.Context,
    search: Annotated[str | None, typer.Option("--search", help="A part of the name or the notes.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many to list at most.")] = 50,
    offset: Annotated[int, typer.Option("--offset", min=0, help="How many of the newest to leave out.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """List bundles, newest first, and which fleets point to them."""
    with open_bundles(context) as plane:
        page = plane.bundles(q=search, limit=limit, offset=offset)
    if as_json:
        print_json(page)
        return
    show_list(page.items, empty="There are no bundles.")
    seen = offset + len(page.items)
    if seen < page.total:
        say(f"More: comfyfleet bundles list --offset {seen}")


@app.command("show")
def show(context: typer.Context, bundle: Bundle, as_json: JsonFlag = False) -> None:
    """Show a bundle, its assets and where each goes."""
    with open_bundles(context) as plane:
        view = plane.bundle(bundle)
    if as_json:
        print_json(view)
    else:
        show_bundle(view)


@app.command(
    "create",
    epilog=examples(
        "comfyfleet bundles create sdxl --asset sdxl.safetensors --asset 12=models/loras/style/ink.safetensors",
        "comfyfleet bundles create sdxl --for-workflow portrait --for-workflow flow.json",
        "comfyfleet bundles create --from sdxl --remove ink.safetensors --asset brush.safetensors",
    ),
)
def create(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Its name; that of --from if left out.")] = None,
    assets: Assets = None,
    workflows: ForWorkflows = None,
    previous: Annotated[
        str | None, typer.Option("--from", metavar="BUNDLE", help="Make the next version of this bundle.")
    ] = None,
    remove: Remove = None,
    notes: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    lock: Lock = None,
    accept_missing: Annotated[
        bool, typer.Option("--accept-missing", help="Go on though the library lacks what a workflow needs.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would be, and write nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a bundle. It never changes; --from makes the next version."""
    slugs, documents = split_workflows(workflows or [])
    new = make(
        NewBundle,
        name=name,
        notes=notes,
        entries=[parse_entry(text) for text in assets or []],
        for_workflows=slugs,
        documents=documents,
        previous=previous,
        remove=remove or [],
        requirements_lock=None if lock is None else _text(lock),
        accept_missing=accept_missing,
    )
    with open_bundles(context) as plane:
        view = plane.plan_bundle(new) if dry_run else plane.create_bundle(new)
    if as_json:
        print_json(view)
        return
    if isinstance(view, BundlePlan):
        show_plan(view)
        return
    size = size_text(view.total_bytes)
    say(f"Bundle {name_of(view)} was written: {view.entry_count} assets, {size}, id {view.bundle_id}.")


@app.command("diff")
def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The bundle that is there.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The bundle that is to come.")],
    as_json: JsonFlag = False,
) -> None:
    """Show what changes from one bundle to another, and how many bytes a machine fetches."""
    with open_bundles(context) as plane:
        view = plane.difference(before, after)
    if as_json:
        print_json(view)
    else:
        show_difference(view)


@app.command("manifest")
def manifest(
    context: typer.Context,
    bundle: Bundle,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print a bundle's manifest as it lies in the store, to the byte."""
    with open_bundles(context) as plane:
        view = plane.manifest(bundle)
    content = view.content.encode()
    if hashlib.sha256(content).hexdigest() != view.sha256:
        raise UsageProblem("The manifest that came is not the one recorded.", hint="Look at what stands between.")
    if as_json:
        print_json(view)
    elif output is None:
        typer.echo(view.content, nl=False)
    else:
        output.write_bytes(content)
        say(f"{output} has the manifest, sha256 {view.sha256}.")


@app.command("delete")
def delete(context: typer.Context, bundle: Bundle, yes: YesFlag = False, as_json: JsonFlag = False) -> None:
    """Delete a bundle that no fleet points to. Its assets stay in the library."""
    with open_bundles(context) as plane:
        view = plane.bundle(bundle)
        confirm(f"Delete bundle {name_of(view)} ({view.bundle_id})?", yes=yes)
        deleted = plane.delete_bundle(view.bundle_id)
    if as_json:
        print_json(deleted)
    else:
        say(f"Bundle {name_of(deleted)} was deleted.")


@app.command("gc", epilog=examples("comfyfleet bundles gc", "comfyfleet bundles gc --delete --older-than 30"))
def clear_up(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run/--delete", help="Only say what would be deleted.")] = True,
    older_than: Annotated[
        int | None, typer.Option("--older-than", min=0, metavar="DAYS", help="Also list bundles never used, this old.")
    ] = None,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete manifests that no bundle has. Bundles that no fleet ever pointed to are listed, never deleted."""
    with open_bundles(context) as plane:
        view = plane.clear_up_bundles(older_than_days=older_than)
        if view.manifests and not dry_run:
            confirm(f"Delete {len(view.manifests)} manifests that no bundle has?", yes=yes)
            view = plane.clear_up_bundles(dry_run=False, older_than_days=older_than)
    if as_json:
        print_json(view)
        return
    for key in view.manifests:
        typer.echo(key)
    say(f"{len(view.manifests)} manifests without a bundle {'would be' if view.dry_run else 'were'} deleted.")
    if older_than is not None:
        show_list(view.unused, empty="Every bundle of that age was used.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{path} is no UTF-8 text.", hint="Give a file in pip's requirements format.") from error
