"""Writes the reference pages that follow from the code: settings, commands, HTTP API, errors, and `.env.example`.

`python docs/generate.py [FOLDER]` writes below FOLDER, by default the repository.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from inspect import getdoc
from pathlib import Path
from typing import Any, Final

import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings

import comfyfleet
from comfyfleet.asgi import create_site
from comfyfleet.cli.main import app
from comfyfleet.cli.settings import CliSettings
from comfyfleet.cloud.local.processes import variables_of
from comfyfleet.core.errors import FleetError
from comfyfleet.machine.settings import MachineSettings
from comfyfleet.server.errors import status_of
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.wiring import wire
from comfyfleet.up.settings import UpSettings
from comfyfleet.worker.settings import WorkerSettings

ROOT: Final = Path(__file__).parents[1]
NOTE: Final = "<!-- Written by docs/generate.py from the code: change the code. -->\n\n"
PROGRAMS: Final[dict[str, type[BaseSettings]]] = {
    "comfyfleet up": UpSettings,
    "The control plane": ServerSettings,
    "comfyfleet worker": WorkerSettings,
    "comfyfleet machine": MachineSettings,
    "The command line": CliSettings,
}


def main(folder: Path) -> None:
    """Write every generated file below a folder."""
    reference = folder / "docs" / "reference"
    reference.mkdir(parents=True, exist_ok=True)
    (reference / "settings.md").write_text(settings_page())
    (reference / "cli.md").write_text(cli_page())
    (reference / "http-api.md").write_text(api_page())
    (reference / "errors.md").write_text(errors_page())
    (folder / ".env.example").write_text(env_example())


def settings_page() -> str:
    """Return a table of settings for each program."""
    parts = [NOTE, "# Settings\n\nThe environment of each program. Nothing else is read from it.\n"]
    for name, settings in PROGRAMS.items():
        parts += [f"\n## {name}\n\n{getdoc(settings)}\n\n| variable | default | what it does |\n| --- | --- | --- |\n"]
        parts += [f"| `{variable}` | {shown(default)} | {text} |\n" for variable, default, text in fields(settings)]
    return "".join(parts)


def env_example() -> str:
    """Return a file of all variables, commented out."""
    parts = ["# Every setting, with its default. Written by docs/generate.py from the code.\n"]
    for name, settings in PROGRAMS.items():
        parts.append(f"\n# --- {name} ---\n")
        for variable, default, text in fields(settings):
            value = "" if default is None else default
            parts.append(f"# {text}\n# {variable}={value}\n")
    return "".join(parts)


def fields(settings: type[BaseSettings]) -> Iterator[tuple[str, Any, str]]:
    """Yield name, default (None for none) and description of each setting."""
    for variable, (name, field) in zip(variables_of(settings), settings.model_fields.items(), strict=True):
        default = None if field.is_required() or field.default_factory else field.default
        default = default.get_secret_value() if isinstance(default, SecretStr) else default
        if field.description is None:
            raise ValueError(f"{settings.__name__}.{name} has no description")
        yield variable, default, " ".join(field.description.split())


def shown(default: object) -> str:
    """Return a default as a table shows it."""
    return "" if default is None else f"`{default}`"


def cli_page() -> str:
    """Return every command with its help and options."""
    parts = [NOTE, "# Commands\n"]
    command = typer.main.get_command(app)
    for path, one in commands("comfyfleet", command):
        parts.append(f"\n## `{path}`\n\n{help_of(one)}\n")
        rows = [row for parameter in one.params if (row := parameter_row(parameter))]
        if rows:
            parts += ["\n| argument or option | what it does |\n| --- | --- |\n", *rows]
    return "".join(parts)


def commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield a command and all below it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(f"{path} {name}", below)


def help_of(command: Any) -> str:
    """Return a command's help as plain Markdown."""
    return (command.help or "").replace("\b", "").strip()


def parameter_row(parameter: Any) -> str:  # Click's base class has no `help`
    """Return a row for an option or argument that is not hidden."""
    if getattr(parameter, "hidden", False):
        return ""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    text = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
    return f"| {names} | {text} |\n"


def api_page() -> str:
    """Return every path of the HTTP API."""
    secret = "a-secret-for-the-docs"
    settings = ServerSettings(
        database_url="postgresql://nobody@localhost/none", app_key=secret, comfyui_fleet_secret=secret,
        objects_folder=ROOT / "docs" / "_build" / "objects",
    )  # fmt: skip
    document = create_site(wire(settings)).openapi()
    parts = [NOTE, "# HTTP API\n\nThe OpenAPI document is at `/openapi.json` of a running control plane.\n"]
    parts.append("\n| method | path | what it does |\n| --- | --- | --- |\n")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            text = " ".join(operation.get("description", operation.get("summary", "")).split())
            parts.append(f"| {method.upper()} | `{path}` | {text} |\n")
    return "".join(parts)


def errors_page() -> str:
    """Return every error with its code, kind and status."""
    for module in pkgutil.walk_packages(comfyfleet.__path__, "comfyfleet."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)
    rows = sorted({row_of(error) for error in errors(FleetError) if error.__module__.startswith("comfyfleet.")})
    table = "".join(f"| `{code}` | {kind} | {status} | {text} |\n" for code, kind, status, text in rows)
    head = "# Errors\n\nThe codes that a refusal's `error.code` can have.\n\n"
    return f"{NOTE}{head}| code | kind | status | what it means |\n| --- | --- | --- | --- |\n{table}"


def row_of(error: type[FleetError]) -> tuple[str, str, int, str]:
    """Return an error's code, kind, HTTP status and meaning."""
    return error.code, error.kind.value, status_of(error.__new__(error)), summary(error)


def errors(kind: type[FleetError]) -> Iterator[type[FleetError]]:
    """Yield all errors below one, of those that have a plain message."""
    for below in kind.__subclasses__():
        yield below
        yield from errors(below)


def summary(error: type[FleetError]) -> str:
    """Return the first line of an error's docstring."""
    return (getdoc(error) or "").splitlines()[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
