"""Which file of a history entry is the job's result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.worker.errors import OutputMissing, Place

_SAME: Final = {"jpeg": "jpg", "tiff": "tif"}


@dataclass(frozen=True)
class OutputFile:
    """A file as ComfyUI names it; `type` is `output`, or `temp` for a preview."""

    filename: str
    subfolder: str
    type: str

    @property
    def extension(self) -> str:
        """What follows the last dot, in small letters."""
        return self.filename.rpartition(".")[2].lower()


def result_file(entry: Mapping[str, Any], node_id: str, extension: str, node_type: str | None = None) -> OutputFile:
    """Return the file that node `node_id` made and that ends in `extension`; a saved one before a preview.

    ComfyUI puts a video under `images` and custom nodes use keys of their own, so the key says nothing.

    Raises:
        OutputMissing: The node made no such file.
    """
    files = list(_files(entry, node_id))
    fitting = [file for file in files if _canonical(file.extension) == _canonical(extension.lower())]
    if fitting:
        return next((file for file in fitting if file.type == "output"), fitting[0])
    place = Place(node_id, node_type)
    made = ", ".join(file.filename for file in files[:5]) or "nothing"
    raise OutputMissing(
        f"{place} is to make a .{extension} file, and ComfyUI says that it made {made}.",
        hint="Correct the workflow's output_node_id or output_extension.",
        place=place,
    )


def _files(entry: Mapping[str, Any], node_id: str) -> Iterator[OutputFile]:
    output = (entry.get("outputs") or {}).get(node_id) or {}
    for items in output.values():
        for item in items if isinstance(items, list) else []:
            if isinstance(item, Mapping) and item.get("filename"):
                yield OutputFile(
                    str(item["filename"]), str(item.get("subfolder") or ""), str(item.get("type") or "output")
                )


def _canonical(extension: str) -> str:
    return _SAME.get(extension, extension)
