"""Bundles: composed from assets, written once, compared, deleted and cleared up."""
