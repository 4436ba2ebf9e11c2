"""`comfyfleet serve` and `comfyfleet migrate`: the control plane by itself, as it runs behind a load balancer."""

from typing import Annotated, Final

import typer

from comfyfleet.cli.options import examples
from comfyfleet.cli.output import say
from comfyfleet.core.secrets import SecretNotSet

SERVE_EXAMPLES: Final = examples("comfyfleet serve --host 0.0.0.0 --port 8600 --proxy 10.0.0.0/16")
MIGRATE_EXAMPLES: Final = examples("comfyfleet migrate --administrator you@example.com")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8600,
    proxy: Annotated[
        str, typer.Option(metavar="CIDR", help="Whose word on users' addresses and on HTTPS is believed.")
    ] = "127.0.0.1",
    wait_for_secrets: Annotated[
        bool,
        typer.Option(
            "--wait-for-secrets",
            help="While a secret is the template's placeholder, answer /healthz alone: so a first deploy can end.",
        ),
    ] = False,
) -> None:
    """Run the control plane: API and pages. Its settings come from the environment; the database has to be migrated."""
    from comfyfleet.asgi import run_notice, run_site  # noqa: PLC0415  # loads the whole server
    from comfyfleet.server.settings import ServerSettings  # noqa: PLC0415

    try:
        settings = ServerSettings.load()
    except SecretNotSet as error:
        if not wait_for_secrets:
            raise
        say(f"{error} Then start this anew; until then it serves nobody.")
        run_notice(str(error), host=host, port=port)
        return
    run_site(settings, host=host, port=port, proxies=proxy)


def migrate(
    administrator: Annotated[
        str | None, typer.Option(metavar="E-MAIL", help="The first operator, made where there is nobody yet.")
    ] = None,
) -> None:
    """Bring the database's tables up to date. A second run finds nothing to do."""
    import asyncio  # noqa: PLC0415

    from comfyfleet.server.settings import ServerSettings  # noqa: PLC0415
    from comfyfleet.up.first_start import bring_up_to_date  # noqa: PLC0415  # loads the whole server

    password = asyncio.run(bring_up_to_date(ServerSettings.load(), administrator))
    say("The database is up to date.")
    if password is not None:
        say(f"Administrator {administrator}, one-time password: {password}")
