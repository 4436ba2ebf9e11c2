"""`comfyfleet workflows propose, versions, version, diff, restore, fleets, activate, deactivate, delete, test-run`."""

from pathlib import Path
from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli.bundle_entries import read_document
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.options import JsonFlag, Limit, YesFlag, confirm
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.rendering import await_job, save_output, upload_file
from comfyfleet.cli.reporting import reporter_for
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.cli.values import read_inputs
from comfyfleet.client.workflows import WorkflowPlane
from comfyfleet.protocol.api import ConfigurableProperty, EffectView, WorkflowView

Slug = Annotated[str, typer.Argument(help="Slug of the workflow.")]
Version = Annotated[int, typer.Argument(min=1, help="Number of the version.")]


def open_workflows(context: typer.Context) -> WorkflowPlane:
    """Return a client of workflows for the server that the settings name, or that runs on this machine."""
    return WorkflowPlane(find_connection(settings_of(context)))


def propose(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="API JSON: in ComfyUI, Workflow → Export (API).")],
    as_json: JsonFlag = False,
) -> None:
    """Say what a workflow's properties and its output node could be; --json prints what `import` takes."""
    with open_workflows(context) as plane:
        proposal = plane.propose(read_document(file))
    if as_json:
        print_json(proposal)
        return
    rows = [(prop.key, prop.type, prop.default, prop.placeholder or f"{prop.node_id}.{prop.input_name}")
            for prop in proposal.properties]  # fmt: skip
    print_table(("PROPERTY", "TYPE", "DEFAULT", "BOUND TO"), rows, empty="Nothing in it looks like a property.")
    outputs = [(item.node_id, item.name, item.extension, item.mime_type) for item in proposal.outputs]
    print_table(("OUTPUT NODE", "NAME", "EXTENSION", "TYPE"), outputs, empty="No node of it saves a file.")


def versions(context: typer.Context, slug: Slug, limit: Limit = 20, as_json: JsonFlag = False) -> None:
    """List a workflow's versions, newest first."""
    with open_workflows(context) as plane:
        found = plane.versions(slug, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [(item.version, item.created_at, item.created_by) for item in found]
    print_table(("VERSION", "AT", "BY"), rows, empty="It has no versions.")


def version(
    context: typer.Context,
    slug: Slug,
    number: Version,
    graph: Annotated[bool, typer.Option("--graph", help="Print its API JSON alone.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what a version of a workflow runs; --graph prints what ComfyUI's Export (API) wrote."""
    with open_workflows(context) as plane:
        found = plane.version(slug, number)
    if graph:
        print_json(found.graph)
    elif as_json:
        print_json(found)
    else:
        record = [
            ("version", found.version),
            ("by", found.created_by),
            ("at", found.created_at),
            ("output", f"node {found.output_node_id}, .{found.output_extension}, {found.output_mime_type}"),
            ("nodes", len(found.graph)),
            ("properties", ", ".join(prop.key for prop in found.properties) or "none"),
            ("object", found.comfyui_workflow_path),
        ]
        print_record(record)


def diff(context: typer.Context, slug: Slug, before: Version, after: Version, as_json: JsonFlag = False) -> None:
    """Show what differs between two versions of a workflow."""
    with open_workflows(context) as plane:
        found = plane.version_difference(slug, before, after)
    if as_json:
        print_json(found)
        return
    rows = [(item.what, item.where, item.before, item.after) for item in found.changes]
    print_table(("CHANGE", "WHERE", "BEFORE", "AFTER"), rows, empty="They do not differ.")


def restore(context: typer.Context, slug: Slug, version: Version, as_json: JsonFlag = False) -> None:
    """Make what an old version ran the newest version."""
    with open_workflows(context) as plane:
        flow = plane.restore_version(slug, version)
    _tell(flow, f"Version {flow.version} of '{slug}' runs what version {version} ran.", as_json=as_json)


def fleets(
    context: typer.Context,
    slug: Slug,
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE/]FLEET…", help="All fleets that shall serve it.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Let no fleet serve it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say which fleets serve a workflow; others no longer do. Without a fleet, tell which ones do."""
    if wanted and none:
        raise UsageProblem("Fleets are named, and --none.", hint="Give one of the two.")
    with open_workflows(context) as plane:
        flow = plane.assign_fleets(slug, _labels(wanted or [])) if wanted or none else plane.workflow(slug)
    _tell(flow, f"'{slug}' is served by: {', '.join(flow.fleets) or 'no fleet'}.", as_json=as_json)


def activate(context: typer.Context, slug: Slug, as_json: JsonFlag = False) -> None:
    """Let effects run a workflow."""
    with open_workflows(context) as plane:
        flow = plane.set_workflow_active(slug, is_active=True)
    _tell(flow, f"Effects may run '{slug}'.", as_json=as_json)


def deactivate(context: typer.Context, slug: Slug, as_json: JsonFlag = False) -> None:
    """Take a workflow's effects from the catalogue; jobs that were submitted go on."""
    with open_workflows(context) as plane:
        flow = plane.set_workflow_active(slug, is_active=False)
    _tell(flow, f"No effect may run '{slug}' any more.", as_json=as_json)


def delete(context: typer.Context, slug: Slug, yes: YesFlag = False, as_json: JsonFlag = False) -> None:
    """Delete a workflow that no effect is made of, with its versions."""
    with open_workflows(context) as plane:
        flow = plane.workflow(slug)
        confirm(f"Delete the workflow '{slug}' with all its versions?", yes=yes)
        plane.delete_workflow(slug)
    _tell(flow, f"Workflow '{slug}' was deleted.", as_json=as_json)


def run_test(
    context: typer.Context,
    slug: Slug,
    fleet: Annotated[str, typer.Option("--fleet", metavar="[STAGE/]FLEET", help="The fleet that runs it.")],
    input_file: Annotated[
        Path | None, typer.Option("--input", "-i", metavar="FILE", help="The file that it works on.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="A property; KEY=@FILE takes a file.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="File or folder for the result.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a workflow on one fleet, at no cost, before any effect is made of it; prints the path of the result."""
    with open_workflows(context) as plane, reporter_for(as_json=as_json) as reporter:
        inputs = read_inputs(as_effect(plane.workflow(slug)), input_file, assignments or [])
        values = {**inputs.values, **{key: upload_file(plane, path, reporter) for key, path in inputs.files.items()}}
        job = await_job(plane, plane.run_test(slug, _labels([fleet])[0], values), reporter)
        path = save_output(plane, job, output, reporter)
    typer.echo(path)


def _tell(flow: WorkflowView, words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(flow)
    else:
        say(words)


def _labels(fleets: list[str]) -> list[str]:
    return [fleet if "/" in fleet else f"{names.LOCAL_STAGE}/{fleet}" for fleet in fleets]


def as_effect(flow: WorkflowView) -> EffectView:
    """Return a workflow as if it were an effect whose every property may be set."""
    return EffectView(
        id=flow.id,
        name=flow.name,
        slug=flow.slug,
        description=flow.description,
        credits_cost=0,
        preview_url=None,
        output_mime_type=flow.output_mime_type,
        configurable_properties=[
            ConfigurableProperty.model_validate(prop.model_dump(include=set(ConfigurableProperty.model_fields)))
            for prop in flow.properties
        ],
    )
