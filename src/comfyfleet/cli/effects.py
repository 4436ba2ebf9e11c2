"""`comfyfleet effects`: list, show, create."""

from typing import Annotated

import typer

from comfyfleet.cli import effect_verbs
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.options import JsonFlag, examples
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import is_found, open_plane
from comfyfleet.cli.values import parse_value
from comfyfleet.client.api import ControlPlane
from comfyfleet.core.properties import Scalar
from comfyfleet.protocol.api import ConfigurableProperty, NewEffect

app = typer.Typer(no_args_is_help=True, help="Effects, the products on workflows: list, show, create.")

app.command("all")(effect_verbs.list_all)
for verb in ("order", "activate", "deactivate", "preview", "delete"):
    app.command(verb)(getattr(effect_verbs, verb))


@app.command("list")
def list_effects(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the effects that you can run."""
    with open_plane(context) as plane:
        effects = plane.effects()
    if as_json:
        print_json(effects)
        return
    rows = [(item.slug, item.name, item.credits_cost, item.output_mime_type, item.description) for item in effects]
    print_table(("SLUG", "NAME", "CREDITS", "OUTPUT", "DESCRIPTION"), rows, empty="There are no effects.")


@app.command("show")
def show_effect(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Slug of the effect.")],
    as_json: JsonFlag = False,
) -> None:
    """Show an effect and what you may set with `run --set`."""
    with open_plane(context) as plane:
        effect = plane.effect(slug)
        page = f"{plane.url}/effects/{effect.slug}"
    if as_json:
        print_json(effect)
        return
    print_record(
        [
            ("slug", effect.slug),
            ("name", effect.name),
            ("description", effect.description),
            ("credits", effect.credits_cost),
            ("output", effect.output_mime_type),
            ("page", page),
        ]
    )
    typer.echo()
    rows = [(prop.key, prop.type, _rule(prop), prop.default, prop.help) for prop in effect.configurable_properties]
    print_table(("PROPERTY", "TYPE", "RULE", "DEFAULT", "HELP"), rows, empty="There is nothing to set.")


@app.command(
    "create",
    epilog=examples(
        "comfyfleet effects create --slug loud-caption --workflow caption-video --credits 5 --override font_size=25"
    ),
)
def create_effect(
    context: typer.Context,
    slug: Annotated[str, typer.Option(help="Its short name in addresses.")],
    workflow: Annotated[str, typer.Option(metavar="SLUG", help="The workflow that it runs.")],
    name: Annotated[str | None, typer.Option(help="Its name for people; the slug if left out.")] = None,
    description: Annotated[str, typer.Option(help="What it does.")] = "",
    credits_cost: Annotated[int, typer.Option("--credits", min=0, help="What a run costs.")] = 1,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--override", metavar="KEY=VALUE", help="A value of its own for a property. Repeatable."),
    ] = None,
    preview_url: Annotated[str | None, typer.Option(help="Address of a picture or clip.")] = None,
    active: Annotated[bool, typer.Option("--active/--inactive", help="Whether users see it.")] = True,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the effect of that slug, if there is one.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make an effect of a workflow (administrators)."""
    with open_plane(context) as plane:
        effect = make(
            NewEffect,
            name=name or slug,
            slug=slug,
            description=description,
            workflow=workflow,
            property_overrides=_overrides(plane, workflow, overrides or []),
            credits_cost=credits_cost,
            is_active=active,
            preview_url=preview_url,
        )
        is_new = not (replace and is_found(lambda: plane.effect(slug)))
        view = plane.create_effect(effect) if is_new else plane.replace_effect(effect)
    if as_json:
        print_json(view)
    else:
        say(f"Effect '{view.slug}' was {'made' if is_new else 'replaced'}.")


def _overrides(plane: ControlPlane, workflow: str, assignments: list[str]) -> dict[str, Scalar]:
    if not assignments:
        return {}
    properties = {prop.key: prop.to_property() for prop in plane.workflow(workflow).properties}
    values: dict[str, Scalar] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or key not in properties:
            raise UsageProblem(
                f"'{assignment}' names no property of the workflow '{workflow}'.",
                hint=f"Write KEY=VALUE; its properties are: {', '.join(properties) or 'none'}.",
            )
        values[key] = parse_value(properties[key], text)
    return values


def _rule(prop: ConfigurableProperty) -> str:
    words = ["--input"] if prop.is_primary_input else []
    words += ["required"] if prop.required else []
    words += [f"from {prop.minimum:g}"] if prop.minimum is not None else []
    words += [f"to {prop.maximum:g}"] if prop.maximum is not None else []
    words += [" | ".join(prop.choices)] if prop.choices else []
    return " ".join(words)
