"""What a machine of an Auto Scaling group is asked and told."""

from dataclasses import dataclass

from comfyfleet.worker.membership import Membership
from comfyfleet.worker.metadata import Metadata


@dataclass(frozen=True)
class CloudMachine:
    """Its metadata service, and its place in the group."""

    metadata: Metadata
    membership: Membership
