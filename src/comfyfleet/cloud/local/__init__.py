"""Adapters for one machine: files on disk, processes, a Postgres of our own."""
