"""Figures in words, for people: sizes, spans of time, and how long ago something was."""

from datetime import datetime
from typing import Final

_SPANS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def size_text(size: int | None) -> str:
    """Return a number of bytes, such as `6.9 GB`; a dash for none."""
    if size is None:
        return "-"
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def span_text(seconds: float | None) -> str:
    """Return a span of time by its two largest units, such as `2 h 5 min` or `4.2 s`; a dash for none."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"
    left, parts = int(seconds), []
    for size, unit in (*_SPANS, (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def ago_text(at: datetime | None, now: datetime) -> str:
    """Return how long ago something was, such as `5 min ago`; `never` for none."""
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    if seconds < 5:
        return "just now"
    for size, unit in (*_SPANS, (1, "s")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def number_text(value: float | None) -> str:
    """Return a number with at most one digit after the point, such as `1,200` or `2.5`; a dash for none."""
    return "-" if value is None else f"{value:,.1f}".removesuffix(".0")


def count_text(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 job` or `1,200 jobs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
