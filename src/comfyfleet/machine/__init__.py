"""A bundle on a machine: planned, fetched, verified, switched to, and taken back."""
