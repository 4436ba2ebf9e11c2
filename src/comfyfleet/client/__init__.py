"""Typed HTTP clients of the control plane."""
