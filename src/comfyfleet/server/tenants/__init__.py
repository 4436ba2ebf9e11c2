"""Tenants, their users and their keys."""
