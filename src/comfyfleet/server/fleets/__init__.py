"""Fleets and the workflows that they serve."""
