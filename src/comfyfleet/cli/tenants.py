"""`comfyfleet tenants`: list, create, show, grant, ledger, add-user."""

from typing import Annotated

import typer

from comfyfleet.cli.options import Before, JsonFlag, Limit, examples, say_more
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import open_plane
from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import NewGrant, NewTenant, NewUser, TenantView

app = typer.Typer(no_args_is_help=True, help="Tenants, their users and credits (administrators).")

Slug = Annotated[str, typer.Argument(metavar="TENANT", help="Slug of the tenant.")]


@app.command("list")
def list_tenants(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List all tenants and their credits."""
    with open_plane(context) as plane:
        tenants = plane.tenants()
    if as_json:
        print_json(tenants)
        return
    rows = [
        (item.slug, item.name, item.balance.available, item.balance.reserved, item.balance.consumed) for item in tenants
    ]
    print_table(("SLUG", "NAME", "AVAILABLE", "RESERVED", "CONSUMED"), rows, empty="There are no tenants.")


@app.command(
    "create",
    epilog=examples(
        'comfyfleet tenants create acme --name "Acme Film"', 'comfyfleet tenants grant acme 500 --reason "First month"'
    ),
)
def create_tenant(
    context: typer.Context,
    slug: Slug,
    name: Annotated[str | None, typer.Option(help="Its name for people; the slug if left out.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a tenant."""
    tenant = make(NewTenant, name=name or slug, slug=slug)
    with open_plane(context) as plane:
        view = plane.create_tenant(tenant)
    _show(view, as_json=as_json)


@app.command("show")
def show_tenant(context: typer.Context, slug: Slug, as_json: JsonFlag = False) -> None:
    """Show a tenant and its credits."""
    with open_plane(context) as plane:
        view = plane.tenant(slug)
    _show(view, as_json=as_json)


@app.command("grant")
def grant(
    context: typer.Context,
    slug: Slug,
    amount: Annotated[int, typer.Argument(min=1, help="How many credits.")],
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it.")],
    as_json: JsonFlag = False,
) -> None:
    """Give credits to a tenant."""
    request = make(NewGrant, amount=amount, reason=reason)
    with open_plane(context) as plane:
        view = plane.grant(slug, request)
    _show(view, as_json=as_json)


@app.command("ledger")
def ledger(
    context: typer.Context, slug: Slug, limit: Limit = 20, before: Before = None, as_json: JsonFlag = False
) -> None:
    """List how a tenant's credits moved, newest first."""
    with open_plane(context) as plane:
        page = plane.ledger(slug, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(entry.id, entry.at, entry.kind, entry.amount, entry.job_id, entry.reason) for entry in page.items]
    print_table(("ID", "AT", "KIND", "CREDITS", "JOB", "REASON"), rows, empty="No credits have moved.")
    say_more(f"comfyfleet tenants ledger {slug}", page.next_before)


@app.command("add-user")
def add_user(
    context: typer.Context,
    slug: Slug,
    email: Annotated[str, typer.Argument(help="How the person signs in.")],
    role: Annotated[
        Role, typer.Option(help="What the person may do: `viewer` sees everything, `operator` changes it.")
    ] = Role.USER,
    as_json: JsonFlag = False,
) -> None:
    """Add a person to a tenant and print a one-time password to hand over."""
    request = make(NewUser, email=email, role=role)
    with open_plane(context) as plane:
        user = plane.add_user(slug, request)
    if as_json:
        print_json(user)
        return
    print_record([("email", user.email), ("one-time password", user.one_time_password)])
    say("This password is shown once; it must be changed at the first sign-in.")


def _show(tenant: TenantView, *, as_json: bool) -> None:
    if as_json:
        print_json(tenant)
        return
    print_record(
        [
            ("slug", tenant.slug),
            ("name", tenant.name),
            ("id", tenant.id),
            ("available", tenant.balance.available),
            ("reserved", tenant.balance.reserved),
            ("consumed", tenant.balance.consumed),
            ("created", tenant.created_at),
        ]
    )
