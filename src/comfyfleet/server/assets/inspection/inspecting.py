"""Chooses how a file is looked at, by its first bytes and its name."""

from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from comfyfleet.core.assets import AssetKind, archive_suffix, is_pickle
from comfyfleet.server.assets.inspection.archives import list_archive
from comfyfleet.server.assets.inspection.families import family_of, kind_of_tensors
from comfyfleet.server.assets.inspection.gguf import is_gguf, read_gguf
from comfyfleet.server.assets.inspection.pickles import Verdict, is_raw_pickle, is_torch_zip, scan
from comfyfleet.server.assets.inspection.safetensors import HeaderInvalid, read_header, words_of

_SAFETENSORS: Final = (".safetensors", ".sft")


@dataclass(frozen=True)
class Inspection:
    """What was found. `findings` is JSON; a dangerous or unreadable pickle `is_quarantined`."""

    format: str
    findings: dict[str, Any] = field(default_factory=dict)
    is_quarantined: bool = False
    suggested_kind: AssetKind | None = None

    def to_document(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {"format": self.format, **self.findings}


def inspect(file: BinaryIO, filename: str, size: int, kind: AssetKind) -> Inspection:
    """Look at a file of `size` bytes that can be sought in; at most some MiB are read, a pickle's code is not run.

    Whatever the bytes are, the result is a finding and no error; errors of the store pass.
    """
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    if filename.lower().endswith(_SAFETENSORS):
        return _safetensors(file, size)
    if is_gguf(head):
        return Inspection("gguf", read_gguf(file))
    if archive_suffix(filename) is not None and not is_torch_zip(file, head):
        listing = list_archive(file, filename, size)
        is_node = kind is AssetKind.CUSTOM_NODE or bool(listing.get("is_custom_node"))
        return Inspection("archive", listing, suggested_kind=AssetKind.CUSTOM_NODE if is_node else None)
    if is_pickle(filename) or is_torch_zip(file, head) or is_raw_pickle(head):
        verdict, findings = scan(file, filename, size)
        is_locked = verdict in {Verdict.DANGEROUS, Verdict.UNSCANNABLE}
        return Inspection("pickle", {"scan": verdict.value, **findings}, is_quarantined=is_locked)
    return Inspection("file")


def _safetensors(file: BinaryIO, size: int) -> Inspection:
    try:
        header = read_header(file, size)
    except HeaderInvalid as error:
        return Inspection("safetensors", {"problem": str(error)})
    findings = {
        "tensor_count": header.tensor_count,
        "parameters": header.parameters,
        "dtypes": header.dtypes,
        "base_model": header.metadata_base_model or family_of(header.names),
        **words_of(header),
    }
    return Inspection("safetensors", findings, suggested_kind=kind_of_tensors(header.names))
