"""Checks of what verbs are told to work on, before it comes near a shell or a cloud."""

import re
from ipaddress import IPv4Network, ip_network
from typing import Final
from uuid import UUID

from comfyfleet import names
from comfyfleet.core.workflows import check_slug
from comfyfleet.ops.errors import TargetInvalid

_INSTANCE: Final = re.compile(r"i-[0-9a-f]{8,17}")
_IMAGE: Final = re.compile(r"ami-[0-9a-f]{8,17}")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def check_instance_id(text: str) -> str:
    """Return the id of a machine; raise `TargetInvalid` unless it is one."""
    return _matching(_INSTANCE, text, "machine", "It looks like i-0123456789abcdef0.")


def check_image_id(text: str) -> str:
    """Return the id of an image; raise `TargetInvalid` unless it is one."""
    return _matching(_IMAGE, text, "machine image", "It looks like ami-0123456789abcdef0.")


def is_image_id(text: str) -> bool:
    """Tell whether a text has the form of a machine image's id."""
    return _IMAGE.fullmatch(text) is not None


def check_bucket(text: str) -> str:
    """Return the name of a bucket; raise `TargetInvalid` unless it is one."""
    return _matching(_BUCKET, text, "bucket", "Use 3 to 63 small letters, digits, dots and hyphens.")


def check_fleet(stage: str, fleet_slug: str) -> str:
    """Return `stage/fleet`; raise `WorkflowInvalid` unless both are slugs."""
    return f"{check_slug(stage)}/{check_slug(fleet_slug)}"


def bundle_id_of(text: str) -> str:
    """Return the id in `bundles/<id>`, or of a plain id; raise `TargetInvalid` for anything else."""
    bare = text.strip("/").removeprefix(names.BUNDLES_PREFIX)
    try:
        found = str(UUID(bare))
    except ValueError:
        found = ""
    if not found or found != bare:
        raise TargetInvalid(f"{text[:80]!r} is no bundle.", hint="Give bundles/<bundle_id>, or the id.")
    return found


def check_cidr(text: str) -> IPv4Network:
    """Return a range of IPv4 addresses; a single address is a range of one."""
    try:
        network = ip_network(text)
    except ValueError:
        network = None
    if not isinstance(network, IPv4Network):
        raise TargetInvalid(f"{text[:80]!r} is no range of IPv4 addresses.", hint="Such as 203.0.113.7/32.")
    return network


def _matching(form: re.Pattern[str], text: str, what: str, hint: str) -> str:
    if not form.fullmatch(text):
        raise TargetInvalid(f"{text[:80]!r} is no {what}.", hint=hint)
    return text
