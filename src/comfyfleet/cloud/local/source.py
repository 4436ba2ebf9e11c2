"""Objects that a machine reads from the folder of a disk store."""

from pathlib import Path

from comfyfleet.cloud.ports import ObjectPlace
from comfyfleet.core.keys import check_key


class DiskSource:
    """The bucket whose folder is `folder`, as `DiskObjectStore` lays it out."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"

    def locate(self, key: str) -> ObjectPlace:
        """Return the file of an object; see `ObjectSource`."""
        return ObjectPlace(path=self._data / check_key(key))
