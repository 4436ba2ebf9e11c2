"""Brings objects by digest onto this disk: in parallel ranges, hashed while they stream, resumable."""

from comfyfleet.machine.fetch.fetcher import Fetch, Fetcher

__all__ = ["Fetch", "Fetcher"]
