"""The people of tenants: `comfyfleet tenants users`, add-user, set-role, new-password, remove-user."""

from typing import Annotated

import typer

from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.options import JsonFlag, YesFlag, confirm
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.tenants import TenantsPlane
from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import NewUser, NewUserView
from comfyfleet.protocol.tenants import UserView

Slug = Annotated[str, typer.Argument(metavar="TENANT", help="Slug of the tenant.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="How the person signs in.")]


def open_tenants(context: typer.Context) -> TenantsPlane:
    """Return a client of the tenants of the server that the settings name, or that runs on this machine."""
    return TenantsPlane(find_connection(settings_of(context)))


def list_users(context: typer.Context, slug: Slug, as_json: JsonFlag = False) -> None:
    """List the people of a tenant."""
    with open_tenants(context) as plane:
        users = plane.users(slug)
    if as_json:
        print_json(users)
        return
    rows = [
        (user.email, user.role, "a one-time password" if user.must_change_password else "their own", user.created_at)
        for user in users
    ]
    print_table(("EMAIL", "ROLE", "PASSWORD", "CREATED"), rows, empty="The tenant has no people.")


def add_user(
    context: typer.Context,
    slug: Slug,
    email: Email,
    role: Annotated[
        Role, typer.Option(help="What the person may do: `viewer` sees everything, `operator` changes it.")
    ] = Role.USER,
    as_json: JsonFlag = False,
) -> None:
    """Add a person to a tenant and print a one-time password to hand over."""
    request = make(NewUser, email=email, role=role)
    with open_tenants(context) as plane:
        user = plane.add_user(slug, request)
    _show_password(user, as_json=as_json)


def set_role(
    context: typer.Context,
    slug: Slug,
    email: Email,
    role: Annotated[Role, typer.Argument(help="`user`, `viewer` (sees everything) or `operator` (changes it).")],
    as_json: JsonFlag = False,
) -> None:
    """Give a person another role, from the next click on."""
    with open_tenants(context) as plane:
        user = plane.change_role(slug, _find(plane, slug, email).id, role)
    if as_json:
        print_json(user)
    else:
        say(f"{user.email} is {user.role} now.")


def new_password(
    context: typer.Context, slug: Slug, email: Email, yes: YesFlag = False, as_json: JsonFlag = False
) -> None:
    """Give a person a new one-time password; the old one and all sessions end."""
    with open_tenants(context) as plane:
        user = _find(plane, slug, email)
        confirm(f"End the password and the sessions of {user.email}?", yes=yes)
        renewed = plane.renew_password(slug, user.id)
    _show_password(renewed, as_json=as_json)


def remove_user(
    context: typer.Context, slug: Slug, email: Email, yes: YesFlag = False, as_json: JsonFlag = False
) -> None:
    """Remove a person from a tenant; jobs and keys are the tenant's and stay."""
    with open_tenants(context) as plane:
        user = _find(plane, slug, email)
        confirm(f"Remove {user.email} from '{slug}'?", yes=yes)
        removed = plane.remove_user(slug, user.id)
    if as_json:
        print_json(removed)
    else:
        say(f"{removed.email} was removed.")


def _find(plane: TenantsPlane, slug: str, email: str) -> UserView:
    for user in plane.users(slug):
        if user.email.lower() == email.lower():
            return user
    raise UsageProblem(f"'{slug}' has no person '{email}'.", hint=f"List them: comfyfleet tenants users {slug}")


def _show_password(user: NewUserView, *, as_json: bool) -> None:
    if as_json:
        print_json(user)
        return
    print_record([("email", user.email), ("one-time password", user.one_time_password)])
    say("This password is shown once; it must be changed at the first sign-in.")
