"""Chooses how a file is looked at, by its first bytes and its name."""

import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from comfyfleet.core.assets import AssetKind, archive_suffix, is_pickle
from comfyfleet.server.assets.inspection.archives import list_archive
from comfyfleet.server.assets.inspection.families import family_of, kind_of_tensors
from comfyfleet.server.assets.inspection.gguf import is_gguf, read_gguf
from comfyfleet.server.assets.inspection.pickles import Verdict, is_raw_pickle, scan
from comfyfleet.server.assets.inspection.safetensors import HeaderInvalid, read_header, words_of
from comfyfleet.server.assets.inspection.torch_zip import is_torch_zip

_SAFETENSORS: Final = frozenset({".safetensors", ".sft"})
_MORE_PICKLES: Final = frozenset({".pkl", ".pickle", ".pt2"})  # ComfyUI loads these as it loads .pt


@dataclass(frozen=True)
class Inspection:
    """What was found. `findings` is JSON; a dangerous or unreadable pickle `is_quarantined`."""

    format: str
    findings: dict[str, Any] = field(default_factory=dict)
    is_quarantined: bool = False
    suggested_kind: AssetKind | None = None

    def to_document(self) -> dict[str, Any]:
        """Return what is kept of it: JSON whose texts can be stored, sent and shown everywhere."""
        return {"format": self.format, **{key: _clean(value) for key, value in self.findings.items()}}


def inspect(file: BinaryIO, filename: str, size: int, kind: AssetKind) -> Inspection:
    """Look at a file of `size` bytes that can be sought in; at most some MiB are read, a pickle's code is not run.

    Whatever the bytes are, the result is a finding and no error; errors of the store pass.
    """
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    suffix = PurePosixPath(filename.lower()).suffix
    if suffix in _SAFETENSORS:
        return _safetensors(file, size)
    if is_pickle(filename) or suffix in _MORE_PICKLES or is_raw_pickle(head) or is_torch_zip(file):
        return _pickle(file)
    file.seek(0)
    if archive_suffix(filename) is not None:
        return _archive(file, filename, size, kind)
    if is_gguf(head):
        return Inspection("gguf", read_gguf(file))
    return Inspection("file")


def kind_by_content(inspection: Inspection) -> AssetKind | None:
    """Return what the bytes tell of the kind, or None when they leave it open."""
    return inspection.suggested_kind


def _pickle(file: BinaryIO) -> Inspection:
    verdict, findings = scan(file)
    is_locked = verdict in {Verdict.DANGEROUS, Verdict.UNSCANNABLE}
    return Inspection("pickle", {"scan": verdict.value, **findings}, is_quarantined=is_locked)


def _archive(file: BinaryIO, filename: str, size: int, kind: AssetKind) -> Inspection:
    listing = list_archive(file, filename)
    is_node = kind is AssetKind.CUSTOM_NODE or bool(listing["is_custom_node"])
    return Inspection("archive", listing, suggested_kind=AssetKind.CUSTOM_NODE if is_node else None)


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


def _clean(value: Any) -> Any:
    """Return a finding without control characters and half characters in its texts, which a file may hold."""
    if isinstance(value, str):
        return "".join(" " if unicodedata.category(one) in {"Cc", "Cf", "Cs"} else one for one in value)
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value
