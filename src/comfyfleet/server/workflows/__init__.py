"""Workflows: imported, checked and stored."""
