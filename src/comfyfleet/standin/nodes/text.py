"""Texts: give one, show one, save one."""

import json
from typing import Final

from comfyfleet.standin.nodes.spec import Context, Input, Node, Result, choice


def give(_: Context, *, value: str) -> Result:
    """Give the text as it is."""
    return Result((value,))


def preview(_: Context, *, source: object = None) -> Result:
    """Show any value as text."""
    text = _as_text(source)
    return Result((text,), {"text": [text]})


def _as_text(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, indent=4, default=str)
    return str(value)


def save_text(context: Context, *, text: str, filename_prefix: str, format: str) -> Result:  # noqa: A002 - its name in ComfyUI
    """Save a text as UTF-8; JSON that can be parsed is indented."""
    place = context.folders.next_output(filename_prefix, f".{format}")
    place.path.write_text(_indented(text) if format == "json" else text, encoding="utf-8", newline="")
    return Result((text,), {"text": [text], "files": [place.reference()]})


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except json.JSONDecodeError:
        return text


NODES: Final = (
    Node(
        "PrimitiveString",
        (Input("value", "STRING", {"multiline": False}),),
        ("STRING",),
        give,
        title="String",
        category="utils/primitive",
    ),
    Node(
        "PrimitiveStringMultiline",
        (Input("value", "STRING", {"multiline": True}),),
        ("STRING",),
        give,
        title="String (Multiline)",
        category="utils/primitive",
    ),
    Node(
        "PreviewAny",
        (Input("source", "*"),),
        ("STRING",),
        preview,
        is_output=True,
        title="Preview as Text",
        category="utils",
    ),
    Node(
        "SaveText",
        (
            Input("text", "STRING", {"forceInput": True, "multiline": False}),
            Input("filename_prefix", "STRING", {"default": "ComfyUI", "multiline": False}),
            choice("format", "txt", "md", "json", default="txt"),
        ),
        ("STRING",),
        save_text,
        is_output=True,
        title="Save Text",
        category="text",
        output_names=("text",),
    ),
)
