"""`comfyfleet tenants`: list, create, update, show, grant, ledger; and their people."""

from typing import Annotated

import typer

from comfyfleet.cli import tenant_people
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.options import Before, JsonFlag, Limit, examples, say_more
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.tenant_people import Slug, open_tenants
from comfyfleet.protocol.api import NewGrant, NewTenant, TenantView
from comfyfleet.protocol.tenants import TenantPatch

app = typer.Typer(no_args_is_help=True, help="Tenants, their users and credits (administrators).")


app.command("users")(tenant_people.list_users)
app.command("add-user", epilog=examples("comfyfleet tenants add-user acme ann@example.com --role viewer"))(
    tenant_people.add_user
)
app.command("set-role")(tenant_people.set_role)
app.command("new-password")(tenant_people.new_password)
app.command("remove-user")(tenant_people.remove_user)


@app.command("list")
def list_tenants(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Only where slug or name holds this.")] = None,
    limit: Limit = 50,
    offset: Annotated[int, typer.Option(min=0, help="How many to skip.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """List tenants and their credits, by name."""
    with open_tenants(context) as plane:
        page = plane.tenants(text, limit=limit, offset=offset)
    if as_json:
        print_json(page)
        return
    headers = ("SLUG", "NAME", "AVAILABLE", "RESERVED", "CONSUMED", "OPEN JOBS AT MOST")
    print_table(headers, map(_row, page.items), empty="There are no such tenants.")
    if offset + len(page.items) < page.total:
        search = f" {text}" if text else ""
        say(f"{page.total} in all. More: comfyfleet tenants list{search} --offset {offset + len(page.items)}")


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
    with open_tenants(context) as plane:
        view = plane.create_tenant(tenant)
    _show(view, as_json=as_json)


@app.command(
    "update",
    epilog=examples("comfyfleet tenants update acme --max-open-jobs 20", "comfyfleet tenants update acme --no-limit"),
)
def update_tenant(
    context: typer.Context,
    slug: Slug,
    name: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
    max_open_jobs: Annotated[
        int | None, typer.Option(min=0, help="How many of its jobs may be queued or processing at a time.")
    ] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Any number of its jobs may be open.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Change a tenant's name, or how many of its jobs may be open at a time."""
    if no_limit and max_open_jobs is not None:
        raise UsageProblem("--no-limit and --max-open-jobs exclude each other.", hint="Give one of them.")
    given: dict[str, object] = {} if name is None else {"name": name}
    if no_limit or max_open_jobs is not None:
        given["max_open_jobs"] = max_open_jobs
    if not given:
        raise UsageProblem("Nothing was given to change.", hint="Give --name, --max-open-jobs or --no-limit.")
    patch = make(TenantPatch, **given)
    with open_tenants(context) as plane:
        view = plane.update_tenant(slug, patch)
    _show(view, as_json=as_json)


@app.command("show")
def show_tenant(context: typer.Context, slug: Slug, as_json: JsonFlag = False) -> None:
    """Show a tenant and its credits."""
    with open_tenants(context) as plane:
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
    with open_tenants(context) as plane:
        view = plane.grant(slug, request)
    _show(view, as_json=as_json)


@app.command("ledger")
def ledger(
    context: typer.Context, slug: Slug, limit: Limit = 20, before: Before = None, as_json: JsonFlag = False
) -> None:
    """List how a tenant's credits moved, newest first."""
    with open_tenants(context) as plane:
        page = plane.ledger(slug, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(entry.id, entry.at, entry.kind, entry.amount, entry.job_id, entry.reason) for entry in page.items]
    print_table(("ID", "AT", "KIND", "CREDITS", "JOB", "REASON"), rows, empty="No credits have moved.")
    say_more(f"comfyfleet tenants ledger {slug}", page.next_before)


def _row(tenant: TenantView) -> tuple[object, ...]:
    balance = tenant.balance
    return tenant.slug, tenant.name, balance.available, balance.reserved, balance.consumed, _limit(tenant)


def _limit(tenant: TenantView) -> object:
    return "any number" if tenant.max_open_jobs is None else tenant.max_open_jobs


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
            ("open jobs at most", _limit(tenant)),
            ("created", tenant.created_at),
        ]
    )
