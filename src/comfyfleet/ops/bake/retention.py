"""Which images of a fleet are no longer kept; pure."""

from collections.abc import Collection, Sequence

from comfyfleet.cloud.fleet_ports import Image


def surplus(images: Sequence[Image], keep: int, protected: Collection[str]) -> tuple[str, ...]:
    """Return the images to delete of those given, newest first: all but the `keep` newest and the protected ones."""
    return tuple(image.image_id for image in images[max(keep, 0) :] if image.image_id not in protected)
