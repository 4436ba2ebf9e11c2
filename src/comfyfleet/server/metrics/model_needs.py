"""Which workflows need models. A path names its graph by content, so that an answer holds for good."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.analysis import needs_of
from comfyfleet.core.graphs import GraphInvalid
from comfyfleet.server.metrics import attention_repository as repository

_MOST_REMEMBERED: Final = 10_000


class ModelNeeds:
    """Tells whether workflows need models, and remembers it: a graph can be large, and is looked at once."""

    def __init__(self) -> None:
        self._needs: dict[str, bool] = {}

    async def of(self, session: AsyncSession, paths: Collection[str]) -> Mapping[str, bool]:
        """Return for each path of a graph whether a node that runs needs a model."""
        unknown = [path for path in paths if path not in self._needs]
        if unknown:
            if len(self._needs) > _MOST_REMEMBERED:
                self._needs.clear()
            graphs = await repository.graphs(session, unknown)
            self._needs |= await asyncio.to_thread(_look, graphs)
        return {path: self._needs.get(path, False) for path in paths}


def _look(graphs: Mapping[str, dict[str, Any]]) -> dict[str, bool]:
    return {path: _needs_model(graph) for path, graph in graphs.items()}


def _needs_model(graph: dict[str, Any]) -> bool:
    try:
        return any(model.is_used for model in needs_of(graph).models)
    except GraphInvalid:  # too large to be looked through, and no reason to tell nothing of all the others
        return False
