"""`comfyfleet workflows`: list, show, import, analyze."""

from pathlib import Path
from typing import Annotated, Any

import typer

from comfyfleet import names
from comfyfleet.cli import workflow_versions
from comfyfleet.cli.bundle_entries import read_document
from comfyfleet.cli.bundle_tables import name_of, show_needs
from comfyfleet.cli.bundles import open_bundles
from comfyfleet.cli.errors import ExitCode, UsageProblem
from comfyfleet.cli.json_files import read_json, read_json_file
from comfyfleet.cli.options import JsonFlag, examples
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import is_found, open_plane
from comfyfleet.protocol.api import NewWorkflow, PropertyModel

app = typer.Typer(no_args_is_help=True, help="Workflows of ComfyUI: list, show, import, analyze (administrators).")

for verb in ("propose", "versions", "version", "diff", "restore", "fleets", "activate", "deactivate", "delete"):
    app.command(verb)(getattr(workflow_versions, verb))
app.command("test-run", epilog=examples("comfyfleet workflows test-run my-flow --fleet gpu-default -i clip.mp4"))(
    workflow_versions.run_test
)


@app.command("list")
def list_workflows(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List all workflows."""
    with open_plane(context) as plane:
        workflows = plane.workflows()
    if as_json:
        print_json(workflows)
        return
    rows = [(flow.slug, flow.name, flow.is_active, flow.output_mime_type, " ".join(flow.fleets)) for flow in workflows]
    print_table(("SLUG", "NAME", "ACTIVE", "OUTPUT", "FLEETS"), rows, empty="There are no workflows.")


@app.command("show")
def show_workflow(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Slug of the workflow.")],
    as_json: JsonFlag = False,
) -> None:
    """Show a workflow and its properties."""
    with open_plane(context) as plane:
        flow = plane.workflow(slug)
    if as_json:
        print_json(flow)
        return
    print_record(
        [
            ("slug", flow.slug),
            ("name", flow.name),
            ("description", flow.description),
            ("active", flow.is_active),
            ("version", flow.version),
            ("output", f"node {flow.output_node_id}, .{flow.output_extension}, {flow.output_mime_type}"),
            ("object", flow.comfyui_workflow_path),
            ("fleets", " ".join(flow.fleets)),
        ]
    )
    typer.echo()
    rows = [(prop.key, prop.type, _flags(prop), prop.default, _binding(prop)) for prop in flow.properties]
    print_table(("PROPERTY", "TYPE", "", "DEFAULT", "BOUND TO"), rows, empty="It has no properties.")


@app.command(
    "import",
    epilog=examples(
        "comfyfleet workflows import flow.json --slug my-flow --output-node 9 --property-file props.json",
        "comfyfleet workflows import flow.json --slug my-flow --output-node 9 "
        """--properties '[{"key": "prompt", "type": "text", "node_id": "6", "input_name": "text"}]'""",
    ),
)
def import_workflow(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="API JSON: in ComfyUI, Workflow → Export (API).")],
    slug: Annotated[str, typer.Option(help="Its short name in addresses, such as caption-video.")],
    output_node: Annotated[str, typer.Option(metavar="NODE", help="Id of the node whose file is the result.")],
    name: Annotated[str | None, typer.Option(help="Its name for people; the slug if left out.")] = None,
    properties: Annotated[
        str | None,
        typer.Option("--properties", "--property-file", metavar="JSON", help="A JSON file or inline JSON: a list."),
    ] = None,
    description: Annotated[str, typer.Option(help="What it does.")] = "",
    extension: Annotated[str, typer.Option(help="Extension of the result, without a dot.")] = "mp4",
    mime: Annotated[str, typer.Option(help="MIME type of the result.")] = "video/mp4",
    active: Annotated[bool, typer.Option("--active/--inactive", help="Whether effects may run it.")] = True,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the workflow of that slug, if there is one.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Import a workflow in API format, with the properties that its effects may set.

    A property is bound to the graph by a placeholder, or by node_id and input_name.
    """
    workflow = make(
        NewWorkflow,
        name=name or slug,
        slug=slug,
        description=description,
        is_active=active,
        graph=read_json_file(file),
        output_node_id=output_node,
        output_extension=extension,
        output_mime_type=mime,
        properties=_properties(properties),
    )
    with open_plane(context) as plane:
        is_new = not (replace and is_found(lambda: plane.workflow(slug)))
        view = plane.create_workflow(workflow) if is_new else plane.replace_workflow(workflow)
    if as_json:
        print_json(view)
    else:
        say(f"Workflow '{view.slug}' was {'imported' if is_new else 'replaced'}.")


@app.command(
    "analyze",
    epilog=examples(
        "comfyfleet workflows analyze flow.json", "comfyfleet workflows analyze flow.json --fleet gpu-default --check"
    ),
)
def analyze(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A workflow as ComfyUI saves it or as its Export (API) writes it.")],
    fleet: Annotated[
        str | None, typer.Option("--fleet", metavar="[STAGE/]FLEET", help="Also look into this fleet's active bundle.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="End with 1 when something is missing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say which model files and custom nodes a workflow needs, and where each is: bundle, library, or missing."""
    document = read_document(file)
    if fleet is not None and "/" not in fleet:
        fleet = f"{names.LOCAL_STAGE}/{fleet}"
    with open_bundles(context) as plane:
        view = plane.analyze(document, fleet)
    if as_json:
        print_json(view)
    else:
        show_needs(view.models, view.packages)
        where = "the library" if view.fleet is None else f"the bundle of {view.fleet} ({name_of(view.bundle)})"
        what = f"Not in {where}: {len(view.lacking)} of these." if view.lacking else f"All that it needs is in {where}."
        say(what)
    if check and view.lacking:
        raise typer.Exit(ExitCode.FAILED)


def _properties(text: str | None) -> Any:
    document = [] if text is None else read_json(text)
    if isinstance(document, dict) and "properties" in document:
        document = document["properties"]
    if not isinstance(document, list):
        raise UsageProblem("The properties are no list.", hint='Write [{"key": "prompt", "type": "text", …}, …].')
    return document


def _flags(prop: PropertyModel) -> str:
    flags = (
        ("primary", prop.is_primary_input),
        ("required", prop.required),
        ("fixed", not prop.user_configurable),
    )
    return " ".join(word for word, is_set in flags if is_set)


def _binding(prop: PropertyModel) -> str:
    place = f"node {prop.node_id} {prop.input_name}" if prop.node_id is not None else ""
    return " ".join(part for part in (prop.placeholder or "", place) if part)
