"""What is typed about a bundle's assets: `REF[=TARGET][:ACTION]`, and workflows by slug or file."""

from pathlib import Path
from typing import Any

from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.json_files import read_json_file
from comfyfleet.cli.requests import make
from comfyfleet.core.bundles import Action
from comfyfleet.protocol.bundles import NewEntry


def parse_entry(text: str) -> NewEntry:
    """Return an asset as typed, such as `sdxl.safetensors=models/checkpoints/base.safetensors` or `12:extract_zip`."""
    head, colon, last = text.rpartition(":")
    is_action = bool(colon) and last in set(Action)
    reference, equals, target = (head if is_action else text).partition("=")
    if equals and not target:
        raise UsageProblem(f"'{text}' has no target path after '='.", hint="Write REF=models/loras/a.safetensors.")
    return make(NewEntry, asset=reference, target_path=target or None, action=last if is_action else None)


def split_workflows(given: list[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return slugs of imported workflows, and the JSON of those that are files, by path."""
    slugs = [text for text in given if not is_file_name(text)]
    documents = {text: read_document(Path(text)) for text in given if is_file_name(text)}
    return slugs, documents


def is_file_name(text: str) -> bool:
    """Tell whether a workflow is meant by its file: no slug has a dot or a slash."""
    return "." in text or "/" in text or "\\" in text


def read_document(path: Path) -> dict[str, Any]:
    """Return a workflow's JSON; raise `UsageProblem` unless it is an object."""
    document = read_json_file(path)
    if not isinstance(document, dict):
        raise UsageProblem(f"{path} is no workflow: it holds no JSON object.", hint="Export it from ComfyUI.")
    return document
