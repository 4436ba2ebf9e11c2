"""The envelope of every JSON answer: `{"data": …, "message": "…"}`."""

from typing import Generic, TypeVar

from pydantic import BaseModel

Data = TypeVar("Data")


class Envelope(BaseModel, Generic[Data]):
    """An answer that succeeded."""

    data: Data
    message: str = "ok"


class Problem(BaseModel):
    """What an error was: its kind (see `core.errors`), a stable code, and what to do next."""

    kind: str
    code: str
    hint: str = ""


class Refusal(BaseModel):
    """An answer that refuses; the HTTP status is 4xx, or 503 when something does not answer."""

    data: None = None
    message: str
    error: Problem


class Page(BaseModel, Generic[Data]):
    """Part of a long list, newest first. Ask again with `before=next_before` for what follows."""

    items: list[Data]
    next_before: int | None = None
