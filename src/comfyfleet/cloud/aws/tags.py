"""Tags as AWS writes them."""

from collections.abc import Mapping
from typing import Any


def as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Write tags for a request."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def filters_of(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the filters that let through what has all these tags."""
    return [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]


def tags_of(found: dict[str, Any]) -> dict[str, str]:
    """Read the tags of an answer."""
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
