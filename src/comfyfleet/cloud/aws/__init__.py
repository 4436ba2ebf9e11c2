"""Adapters for AWS; the only room that imports boto3."""
