"""`comfyfleet keys`: list, create, revoke; and `comfyfleet me`."""

from typing import Annotated

import typer

from comfyfleet.cli.options import JsonFlag, Tenant, YesFlag, confirm, examples
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import open_plane
from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import NewKey

app = typer.Typer(no_args_is_help=True, help="API keys: list, create, revoke.")


@app.command("list")
def list_keys(context: typer.Context, tenant: Tenant = None, as_json: JsonFlag = False) -> None:
    """List API keys; their secrets are not kept, only the last characters."""
    with open_plane(context) as plane:
        keys = plane.keys(tenant)
    if as_json:
        print_json(keys)
        return
    rows = [(key.id, key.name, key.role, key.hint, key.created_at, key.last_used_at, key.revoked_at) for key in keys]
    print_table(("ID", "NAME", "ROLE", "KEY", "CREATED", "LAST USED", "REVOKED"), rows, empty="There are no keys.")


@app.command("create", epilog=examples("export COMFYFLEET_API_KEY=$(comfyfleet keys create laptop)"))
def create_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    tenant: Tenant = None,
    role: Annotated[
        Role | None, typer.Option(help="What it may do: your own role, or for another tenant `user`, if left out.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make an API key. Its token is printed this once."""
    request = make(NewKey, name=name, role=role)
    with open_plane(context) as plane:
        made = plane.create_key(request, tenant)
    if as_json:
        print_json(made)
        return
    typer.echo(made.token)
    say(f"Key {made.key.id} ('{made.key.name}') was made. Keep its token: it is not shown again.")


@app.command("revoke")
def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key; see keys list.")],
    tenant: Tenant = None,
    yes: YesFlag = False,
) -> None:
    """End an API key: whoever uses it is refused from now on."""
    with open_plane(context) as plane:
        confirm(f"Revoke the key {key_id}?", yes=yes)
        plane.revoke_key(key_id, tenant)
    say(f"Key {key_id} was revoked.")


def me(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show who you are to the server, and your credits."""
    with open_plane(context) as plane:
        who = plane.me()
        url = plane.url
    if as_json:
        print_json(who)
        return
    print_record(
        [
            ("server", url),
            ("user", who.email or "an API key"),
            ("role", who.role),
            ("tenant", who.tenant_name),
            ("available", who.balance.available),
            ("reserved", who.balance.reserved),
            ("consumed", who.balance.consumed),
        ]
    )
