"""The header of a safetensors file: a length of 8 bytes, then JSON that describes each tensor.

Format: https://huggingface.co/docs/safetensors/index#format
"""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

MAX_HEADER_BYTES: Final = 16 * 2**20  # the format allows 100 MB; the largest models have 3
_MOST_TOKENS: Final = 600_000  # a tensor has about fifteen; each takes up to 70 bytes of memory once it is read
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[,\[{]', re.DOTALL)
_DTYPE: Final = re.compile(r"[A-Za-z0-9_]{1,16}")
_SHOWN: Final = 40
_SHOWN_CHARACTERS: Final = 500
_METADATA: Final = "__metadata__"
_BASE_MODELS: Final = ("modelspec.architecture", "ss_base_model_version", "ss_sd_model_name", "architecture")
_TITLES: Final = (
    "modelspec.title",
    "modelspec.author",
    "modelspec.license",
    "modelspec.description",
    "modelspec.resolution",
)
_TRIGGERS: Final = ("modelspec.trigger_phrase", "trigger_words", "ss_trigger_words")
_BYTES_OF: Final = {
    "F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
}  # fmt: skip


class HeaderInvalid(ValueError):
    """The bytes are no header, or it does not fit the file."""


@dataclass(frozen=True)
class Header:
    """What the header says. `parameters` counts numbers, `dtypes` tensors by type."""

    names: frozenset[str]
    dtypes: dict[str, int]
    parameters: int
    metadata: Mapping[str, str]

    @property
    def tensor_count(self) -> int:
        """How many tensors there are."""
        return len(self.names)

    @property
    def metadata_base_model(self) -> str | None:
        """The base model that the metadata names."""
        return next((self.metadata[key][:_SHOWN_CHARACTERS] for key in _BASE_MODELS if self.metadata.get(key)), None)


def read_header(file: BinaryIO, size: int) -> Header:
    """Return the header of a file of `size` bytes; raise `HeaderInvalid` with what is wrong."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
        raise HeaderInvalid(f"its header claims {length:,} bytes")
    text = file.read(length)
    if sum(1 for _ in itertools.islice(_TOKEN.finditer(text), _MOST_TOKENS + 1)) > _MOST_TOKENS:
        raise HeaderInvalid("its header has too many values")
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise HeaderInvalid(f"its header is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise HeaderInvalid("its header is no JSON object")
    metadata = document.pop(_METADATA, {})
    _check_places(document, size - 8 - length)
    return Header(
        names=frozenset(document),
        dtypes=dict(Counter(str(tensor["dtype"]) for tensor in document.values()).most_common()),
        parameters=sum(math.prod(tensor["shape"]) for tensor in document.values()),
        metadata={str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {},
    )


def words_of(header: Header) -> dict[str, Any]:
    """Return what of the metadata people look for: title, author, licence, trigger words."""
    shown: dict[str, Any] = {
        key.removeprefix("modelspec."): header.metadata[key][:_SHOWN_CHARACTERS]
        for key in _TITLES
        if header.metadata.get(key)
    }
    triggers = _trigger_words(header.metadata)
    if triggers:
        shown["trigger_words"] = triggers
    if header.metadata:
        shown["metadata_keys"] = [key[:_SHOWN_CHARACTERS] for key in sorted(header.metadata)[:_SHOWN]]
    return shown


def _trigger_words(metadata: Mapping[str, str]) -> list[str]:
    named = [metadata[key] for key in _TRIGGERS if metadata.get(key)]
    if named:
        return [word.strip()[:_SHOWN_CHARACTERS] for word in named[0].split(",") if word.strip()][:_SHOWN]
    try:
        frequencies = json.loads(metadata.get("ss_tag_frequency", "{}"))
    except (ValueError, RecursionError):
        return []
    counts: Counter[str] = Counter()
    for tags in frequencies.values() if isinstance(frequencies, dict) else ():
        if isinstance(tags, dict):
            counts.update({str(tag).strip(): count for tag, count in tags.items() if isinstance(count, int)})
    return [tag[:_SHOWN_CHARACTERS] for tag, _ in counts.most_common(10)]


def _check_places(tensors: dict[str, Any], data_bytes: int) -> None:
    """See that each tensor has its bytes, that none shares them, and that none are left over."""
    places = sorted(_place(name, tensor) for name, tensor in tensors.items())
    end = 0
    for start, stop, name in places:
        if start != end:
            raise HeaderInvalid(f"the bytes of the tensor {name[:120]!r} overlap others, or leave a hole")
        end = stop
    if end != data_bytes:
        raise HeaderInvalid(f"its tensors have {end:,} bytes, and {data_bytes:,} follow the header")


def _place(name: str, tensor: object) -> tuple[int, int, str]:
    if not isinstance(tensor, dict):
        raise HeaderInvalid(f"the tensor {name[:120]!r} is not described")
    offsets, shape = tensor.get("data_offsets"), tensor.get("shape")
    if not _are_numbers(offsets) or len(offsets or ()) != 2 or not _are_numbers(shape) or "dtype" not in tensor:
        raise HeaderInvalid(f"the tensor {name[:120]!r} lacks its type, its shape or its place")
    start, stop = offsets  # type: ignore[misc]  # two numbers, as checked
    dtype = tensor["dtype"]
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise HeaderInvalid(f"the tensor {name[:120]!r} has no type")
    count, width = math.prod(shape), _BYTES_OF.get(dtype)  # type: ignore[arg-type]  # numbers, as checked
    if stop < start or (count > 8 * (stop - start) if width is None else stop - start != width * count):
        raise HeaderInvalid(f"the tensor {name[:120]!r} has another number of bytes than its shape needs")
    return start, stop, name


def _are_numbers(value: object) -> bool:
    return isinstance(value, list) and len(value) <= 16 and all(type(one) is int and 0 <= one < 2**63 for one in value)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise HeaderInvalid("a name stands in its header twice")
    return document
