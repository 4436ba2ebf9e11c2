"""Tells the control plane how the machine is and what the log says. No job ever waits for it, or fails by it."""

import asyncio
import logging
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from comfyfleet import names
from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.protocol.worker import MAX_GPUS, MAX_NUMBER, Figures, GpuFigures, ReportRequest
from comfyfleet.worker.errors import ComfyUIUnreachable
from comfyfleet.worker.tools import Tools

log = logging.getLogger(__name__)

_FIGURES_SECONDS: Final = 5.0
"""A ComfyUI that renders may hold Python's lock for longer; the log is told without it then."""

_LAST_WORDS_SECONDS: Final = 1.0
_LONGEST_ID: Final = 64
_MEMORY: Final = ("vram_total", "vram_free", "torch_vram_total", "torch_vram_free")


class Reporter:
    """Reports again and again; to a control plane that knows no reports, once."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._is_heard = True
        self._is_wanted = True

    async def run(self) -> None:
        """Report until cancelled, or until the control plane turns out to be older than reports."""
        while self._is_wanted:
            try:
                await self._report(await self._figures())
            except Exception:
                log.exception("an error in the worker's own code, while it reported")
            await asyncio.sleep(self._tools.settings.report_interval_seconds)

    async def last_words(self) -> None:
        """Tell the rest of the log, if that goes quickly: of a worker that leaves, it tells why."""
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                if self._is_wanted and self._tools.log_buffer.waiting().lines:
                    await self._report(None)
        except TimeoutError:
            return

    async def _report(self, figures: Figures | None) -> None:
        batch = self._tools.log_buffer.waiting()
        bundle_id = await asyncio.to_thread(read_bundle_id, self._tools.settings.bundle_root)
        try:
            await self._tools.api.report(ReportRequest(figures=figures, bundle_id=bundle_id, log=list(batch.lines)))
        except Refused as error:
            self._is_wanted = error.status != 404  # an older control plane has no such call
            self._note(error.message)
        except Unreachable as error:
            self._note(error.message)
        else:
            self._is_heard = True
            self._tools.log_buffer.forget(batch)

    def _note(self, reason: str) -> None:
        """Say once that reports are not heard: every one of these lines waits to be reported, too."""
        if self._is_heard:
            log.info("the control plane does not hear reports of this machine: %s", reason)
        self._is_heard = False

    async def _figures(self) -> Figures | None:
        try:
            async with asyncio.timeout(_FIGURES_SECONDS):
                return figures_of(await self._tools.comfyui.system_stats())
        except (ComfyUIUnreachable, TimeoutError):
            return None


def figures_of(stats: dict[str, Any]) -> Figures | None:
    """Return what a ComfyUI's `/system_stats` tells; None for an answer that makes no sense."""
    try:
        version = (stats.get("system") or {}).get("comfyui_version")
        return Figures(
            comfyui_version=None if version is None else str(version)[:64],
            gpus=[_gpu(device) for device in (stats.get("devices") or [])[:MAX_GPUS]],
        )
    except (ValidationError, AttributeError, TypeError):
        return None


def read_bundle_id(root: Path | None) -> str | None:
    """Return the id of the bundle that was applied last below ComfyUI's folder; None where that is not known."""
    if root is None:
        return None
    try:
        text = (root / names.ACTIVE_BUNDLE_FILE).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    return text.strip()[:_LONGEST_ID] or None


def _gpu(device: dict[str, Any]) -> GpuFigures:
    amounts = {name: device.get(name) for name in _MEMORY}
    sane = {name: value for name, value in amounts.items() if isinstance(value, int) and 0 <= value <= MAX_NUMBER}
    return GpuFigures(name=str(device.get("name") or "")[:200] or None, type=str(device.get("type") or "")[:64], **sane)
