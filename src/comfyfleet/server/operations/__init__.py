"""Verbs on machines that the control plane carries out: what runs, what it says, and how it ended."""
