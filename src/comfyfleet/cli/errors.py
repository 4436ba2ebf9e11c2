"""What a command's errors become: a line and a hint on stderr, and an exit code."""

from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.core.errors import Conflict, ErrorKind, FleetError, Invalid, Unavailable


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


EXIT_CODES_HELP = (
    "[bold]Exit codes:[/bold] 0 done · 1 the job or the command failed · 2 wrong usage · 3 refused by the server · "
    "4 no server answers · 130 interrupted"
)

_SERVER_PACKAGES = frozenset(
    {
        "alembic",
        "argon2",
        "asyncpg",
        "fastapi",
        "jinja2",
        "numpy",
        "PIL",
        "psutil",
        "sqlalchemy",
        "starlette",
        "uvicorn",
    }
)
"""What a worker's own install does not have: the extra `server`."""

_START_HINT = "Start one: comfyfleet up. Or name another: COMFYFLEET_URL and COMFYFLEET_API_KEY."


class UsageProblem(Invalid):
    """What was typed cannot be done."""

    code = "usage"


class JobFailed(Conflict):
    """The job ended without a result."""

    code = "job_failed"


class ServerUnknown(Unavailable):
    """Nothing says where the server is."""

    code = "server_unknown"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=_START_HINT)


class FleetGroup(TyperGroup):
    """A group of commands whose errors are told in a line, never as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Refused as error:
            raise _end(error.message, error.hint, ExitCode.REFUSED) from error
        except Unreachable as error:
            raise _end(error.message, f"{error.hint} {_START_HINT}", ExitCode.UNREACHABLE) from error
        except FleetError as error:
            raise _end(error.message, error.hint, self.exit_code_of(error)) from error
        except ModuleNotFoundError as error:
            if error.name not in _SERVER_PACKAGES:
                raise
            message = f"This command needs the control plane's packages, and '{error.name}' is not installed."
            raise _end(message, "Install them: pip install 'comfyfleet[server]'.", ExitCode.FAILED) from error
        except BrokenPipeError:
            raise  # the reader of a pipe left; Typer ends quietly
        except OSError as error:
            raise _end(str(error), "", ExitCode.FAILED) from error
        except KeyboardInterrupt as error:
            raise _end("Interrupted.", "", ExitCode.INTERRUPTED) from error

    def exit_code_of(self, error: FleetError) -> int:
        """Return the exit code of one of our errors."""
        return _exit_code(error)


def _exit_code(error: FleetError) -> ExitCode:
    if isinstance(error, ServerUnknown):
        return ExitCode.UNREACHABLE
    return ExitCode.USAGE if error.kind is ErrorKind.INVALID else ExitCode.FAILED


def _end(message: str, hint: str, code: int) -> typer.Exit:
    from comfyfleet.cli.output import print_error  # noqa: PLC0415 - takes 60 ms, which a machine's boot need not wait

    print_error(message, hint)
    return typer.Exit(code)
