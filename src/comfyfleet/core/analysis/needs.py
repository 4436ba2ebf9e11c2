"""What a workflow needs, as data."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from comfyfleet.core.assets import AssetKind

WorkflowFormat: TypeAlias = Literal["api", "ui"]


@dataclass(frozen=True)
class ModelNeed:
    """A model file that a workflow names.

    `filename` is as ComfyUI shows it in the loader's list: relative to `folder`, with `/` between subfolders. An
    embedding may lack its extension. `folder` is ComfyUI's name of a model folder, such as `checkpoints`, or empty
    where nothing tells which; older names (`clip`, `unet`) are given as the present ones. `url` and `sha256` are what
    the workflow declares. `is_used` is true when a node that runs names the file; a file that is neither used nor
    declared is named by a muted or bypassed node only. In UI format a node of a subgraph has an id such as `57:8`.
    """

    filename: str
    folder: str
    kind: AssetKind
    url: str | None
    sha256: str | None
    node_ids: tuple[str, ...]
    node_classes: tuple[str, ...]
    is_declared: bool
    is_used: bool

    @property
    def target_path(self) -> str | None:
        """Where ComfyUI looks for the file, relative to its root; None if the folder is not known."""
        return f"models/{self.folder}/{self.filename}" if self.folder else None


@dataclass(frozen=True)
class NodeNeed:
    """A node class that is not ComfyUI's own.

    `package` is its name in the registry of custom nodes (`cnr_id`) or `owner/repository` (`aux_id`), where the
    workflow says so; API format never does. `is_used` is false when all its nodes are muted or bypassed.
    """

    class_type: str
    package: str | None
    version: str | None
    node_ids: tuple[str, ...]
    is_used: bool = True


@dataclass(frozen=True)
class Needs:
    """All that a workflow needs beyond ComfyUI itself, sorted."""

    models: tuple[ModelNeed, ...]
    nodes: tuple[NodeNeed, ...]
    format: WorkflowFormat
