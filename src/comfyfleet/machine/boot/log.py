"""What a boot said, kept in the logs bucket, where it outlives the machine."""

from collections.abc import Sequence
from datetime import datetime

from comfyfleet import names
from comfyfleet.cloud.ports import ObjectStore


def keep_log(store: ObjectStore, stage: str, instance_id: str, lines: Sequence[str], at: datetime) -> str:
    """Write lines below the machine's prefix; return the key."""
    key = f"{names.sync_log_prefix(stage, instance_id)}/{at:%Y%m%dT%H%M%SZ}-boot.log"
    store.write(key, "".join(f"{line}\n" for line in lines).encode(), content_type="text/plain")
    return key
