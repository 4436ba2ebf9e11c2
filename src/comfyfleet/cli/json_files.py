"""JSON that is typed or stands in a file."""

import json
from pathlib import Path
from typing import Any

from comfyfleet.cli.errors import UsageProblem


def read_json_file(path: Path) -> Any:
    """Return what a JSON file holds; raise `UsageProblem` with the place of the mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageProblem(f"There is no file {path}.", hint="Check its name and the folder you are in.") from error
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{path} is no UTF-8 text.", hint="Convert it to UTF-8.") from error
    return _parse(text, str(path))


def read_json(text_or_path: str) -> Any:
    """Return inline JSON (it starts with `[` or `{`), or what the JSON file of that name holds."""
    if text_or_path.lstrip().startswith(("[", "{")):
        return _parse(text_or_path, "The JSON")
    return read_json_file(Path(text_or_path))


def _parse(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageProblem(
            f"{what} is no JSON: {error.msg}, line {error.lineno}, column {error.colno}.", hint="Correct it there."
        ) from error
