"""What commands print: tables and records for people, JSON for programs, errors on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import typer
from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = BaseModel | Sequence[BaseModel] | dict[str, object]

_PIPE_WIDTH: Final = 10_000


def print_json(data: Json) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(_plain(data), indent=2, ensure_ascii=False))


def print_json_line(data: Json) -> None:
    """Print one JSON document on a line of its own, at once."""
    typer.echo(json.dumps(_plain(data), ensure_ascii=False))
    sys.stdout.flush()


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under headers, or `empty` on stderr if there are none. Into a pipe, nothing is cut off."""
    console = _console()
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold", no_wrap=not console.is_terminal)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if table.row_count:
        _print(console, table)
    else:
        say(empty)


def print_record(fields: Iterable[tuple[str, object]]) -> None:
    """Print names and values of one thing, one below the other."""
    console = _console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(Text(name), Text(printable(value)))
    _print(console, table)


def say(message: str) -> None:
    """Tell a person something on stderr, so that stdout holds results only."""
    error_console().print(Text(printable(message)))


def print_error(message: str, hint: str = "") -> None:
    """Print an error and what to do next on stderr."""
    console = error_console()
    console.print(Text.assemble(("error: ", "bold red"), printable(message)))
    if hint:
        console.print(Text.assemble(("hint: ", "bold cyan"), printable(hint)))


def error_console() -> Console:
    """Return a console on stderr that breaks no lines of its own."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def printable(value: object) -> str:
    """Return a value as text that cannot move the cursor or colour the terminal, whoever wrote it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case _:
            text = str(value)
    return "".join(character if character.isprintable() else _shown(character) for character in text)


def _shown(character: str) -> str:
    return " " if character in "\n\r\t" else "\N{REPLACEMENT CHARACTER}"


def _console() -> Console:
    terminal = sys.stdout.isatty()
    return Console(highlight=False, width=None if terminal else _PIPE_WIDTH)


def _print(console: Console, table: Table) -> None:
    # Rich fills every line up with spaces, which a long address in one cell makes hundreds of.
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        typer.echo(line.rstrip())


def _plain(data: Json) -> object:
    if isinstance(data, BaseModel):
        return data.model_dump(mode="json")
    if isinstance(data, dict):
        return {key: _plain(value) if isinstance(value, BaseModel) else value for key, value in data.items()}
    return [item.model_dump(mode="json") for item in data]
