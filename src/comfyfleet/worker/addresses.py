"""Addresses as they may be shown: a signed URL opens an object for whoever reads it in a log."""

import httpx


def bare(url: str | httpx.URL) -> str:
    """Return `url` without its query, fragment and user."""
    return str(httpx.URL(url).copy_with(query=None, fragment=None, username="", password=""))
