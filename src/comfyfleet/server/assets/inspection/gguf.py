"""The first bytes of a GGUF file, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

import struct
from typing import Any, BinaryIO, Final

_MAGIC: Final = b"GGUF"
_HEAD: Final = struct.Struct("<4sIQQ")


def is_gguf(head: bytes) -> bool:
    """Tell whether a file begins as GGUF."""
    return head.startswith(_MAGIC)


def read_gguf(file: BinaryIO) -> dict[str, Any]:
    """Return the version and the number of tensors."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return {"problem": "it is cut off"}
    _, version, tensor_count, _ = _HEAD.unpack(head)
    return {"version": version, "tensor_count": tensor_count}
