"""Texts from elsewhere, made such that they can be stored."""


def storable(text: str) -> str:
    """Return a text as Postgres can hold it: without NUL, and without halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
