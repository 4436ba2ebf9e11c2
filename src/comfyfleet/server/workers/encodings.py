"""From ASN.1's basic encoding (BER) to its distinguished one (DER).

AWS's envelopes have lengths that are not told beforehand and strings in pieces, which decoders of DER refuse.
https://www.itu.int/rec/T-REC-X.690
"""

from typing import Final

_CONSTRUCTED: Final = 0x20
_LONG_TAG: Final = 0x1F
_UNTOLD: Final = 0x80
_STRING: Final = 0x04
_DEEPEST: Final = 32
_LONGEST_LENGTH: Final = 4


def to_der(content: bytes) -> bytes:
    """Return the same value with lengths that are told and strings in one piece; what is DER already stays as it is.

    Raises:
        ValueError: It is no such encoding, is cut off or goes on after its end, or is nested too deeply.
    """
    try:
        tag, body, end = _read(content, 0, 0)
    except IndexError:
        raise ValueError("the encoding is cut off") from None
    if end != len(content):
        raise ValueError("the encoding goes on after its end")
    return _element(tag, body)


def _read(content: bytes, at: int, depth: int) -> tuple[int, bytes, int]:
    """Return the tag and the body of the element at an offset, and the offset behind it."""
    tag = content[at]
    if depth > _DEEPEST or tag & _LONG_TAG == _LONG_TAG:
        raise ValueError("the encoding is nested too deeply, or has a tag that no envelope has")
    length, start = _length(content, at + 1)
    if length is not None and start + length > len(content):
        raise IndexError(start + length)
    if not tag & _CONSTRUCTED:
        if length is None:
            raise ValueError("a length is untold where it may not be")
        return tag, content[start : start + length], start + length
    parts, end = _parts(content, start, length, depth)
    if tag == _STRING | _CONSTRUCTED:
        return _STRING, b"".join(body for _, body in parts), end
    return tag, b"".join(_element(*part) for part in parts), end


def _parts(content: bytes, at: int, length: int | None, depth: int) -> tuple[list[tuple[int, bytes]], int]:
    parts, end = [], None if length is None else at + length
    while at != end and not (end is None and content[at : at + 2] == b"\0\0"):
        if end is not None and at > end:
            raise ValueError("a part is longer than the whole")
        tag, body, at = _read(content, at, depth + 1)
        parts.append((tag, body))
    return parts, at + 2 if end is None else at


def _length(content: bytes, at: int) -> tuple[int | None, int]:
    """Return the length that is told at an offset, or None, and the offset behind it."""
    first = content[at]
    if first == _UNTOLD:
        return None, at + 1
    if first < _UNTOLD:
        return first, at + 1
    count = first & ~_UNTOLD
    if count > _LONGEST_LENGTH:
        raise ValueError("a length is too long")
    digits = content[at + 1 : at + 1 + count]
    return int.from_bytes(digits, "big"), at + 1 + count


def _element(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < _UNTOLD:
        return bytes([tag, size]) + body
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _UNTOLD | len(digits)]) + digits + body
