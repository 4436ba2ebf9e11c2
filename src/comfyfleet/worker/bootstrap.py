"""From a started machine to a registered worker."""

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import Any, Final, Literal

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.protocol.worker import RegisterRequest, Registration
from comfyfleet.worker.backoff import Backoff
from comfyfleet.worker.cloud_machine import CloudMachine
from comfyfleet.worker.comfyui.client import ComfyUI
from comfyfleet.worker.delivery import is_passing
from comfyfleet.worker.errors import ComfyUIUnreachable
from comfyfleet.worker.metadata import MetadataUnreachable
from comfyfleet.worker.settings import WorkerSettings
from comfyfleet.worker.tools import Tools

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_COMPLAINTS: Final = 30.0


@dataclass(frozen=True)
class MachineKind:
    """What this machine is in its cloud, as far as that is known; `identity` is AWS's signed word for it."""

    capacity_type: Literal["spot", "on-demand"] | None = None
    instance_type: str | None = None
    identity: str | None = None


async def join_fleet(tools: Tools) -> Registration:
    """Wait for ComfyUI, register, and return what the control plane gave; the token lies in `tools.api`.

    Raises:
        Refused: The control plane does not let this worker in, and would not a moment later either.
    """
    await wait_for_comfyui(tools.comfyui)
    await withdraw_leftovers(tools)
    found = await capabilities(tools.comfyui, tools.settings)
    kind = await machine_kind(tools.machine) if tools.machine else MachineKind()
    request = _request(tools.settings, found, kind)
    registration = await _register(tools, request)
    log.info(
        "registered as %s in fleet %s of stage %s; it serves: %s",
        registration.worker_id,
        registration.fleet_slug,
        registration.stage,
        ", ".join(registration.workflows_assigned) or "no workflow yet",
    )
    return registration


async def wait_for_comfyui(comfyui: ComfyUI) -> None:
    """Return when ComfyUI answers; say from time to time that it does not."""
    clock = asyncio.get_running_loop().time
    backoff = Backoff(0.1, 2)
    complaint_due = clock() + 5
    while True:
        try:
            await comfyui.system_stats()
        except ComfyUIUnreachable as error:
            if clock() > complaint_due:
                log.warning("still waiting for ComfyUI: %s", error.message)
                complaint_due = clock() + _SECONDS_BETWEEN_COMPLAINTS
            await asyncio.sleep(backoff.next_seconds())
        else:
            return


async def capabilities(comfyui: ComfyUI, settings: WorkerSettings) -> dict[str, Any]:
    """Return what this machine can do; `heartbeat_interval_seconds` is a promise that makes leases short."""
    stats = await comfyui.system_stats()
    system = stats.get("system") or {}
    device: dict[str, Any] = next(iter(stats.get("devices") or []), {})
    version = str(system.get("comfyui_version") or "unknown")
    found = {
        "heartbeat_interval_seconds": settings.heartbeat_interval_seconds,
        "comfyui_version": version,
        "is_standin": "standin" in version,
        "node_classes": await comfyui.node_classes(),
        "gpu_name": device.get("name"),
        "gpu_type": device.get("type"),
        "vram_total_bytes": device.get("vram_total"),
        "python_version": system.get("python_version"),
        "asg_name": settings.asg_name,
    }
    return {name: value for name, value in found.items() if value is not None}


async def withdraw_leftovers(tools: Tools) -> None:
    """Withdraw prompts of this worker's earlier life, such as one that was killed: nobody waits for them."""
    for prompt_id, queued in (await tools.comfyui.queue()).items():
        if queued.extra_data.get("comfyfleet") == tools.owner:
            log.warning("prompt %s is left over from before and is withdrawn", prompt_id)
            await tools.comfyui.withdraw(prompt_id)


async def machine_kind(machine: CloudMachine) -> MachineKind:
    """Return what the metadata service says this machine is; nothing where it does not answer."""
    try:
        life = await machine.metadata.read("meta-data/instance-life-cycle")
        instance_type = await machine.metadata.read("meta-data/instance-type")
        identity = await machine.metadata.read("dynamic/instance-identity/rsa2048")
    except MetadataUnreachable as error:
        log.warning("what kind of machine this is is not known: %s", error)
        return MachineKind()
    known: Literal["spot", "on-demand"] | None = "spot" if life == "spot" else "on-demand" if life else None
    return MachineKind(known, instance_type and instance_type[:64], identity)


def _request(settings: WorkerSettings, found: dict[str, Any], kind: MachineKind) -> RegisterRequest:
    return RegisterRequest(
        worker_id=settings.worker_id,
        fleet_slug=settings.fleet_slug,
        stage=settings.fleet_stage,
        display_name=socket.gethostname(),
        capabilities=found,
        max_concurrency=settings.max_concurrency,
        capacity_type=kind.capacity_type,
        instance_type=kind.instance_type,
        identity=kind.identity,
        registration_source=settings.registration_source,
    )


async def _register(tools: Tools, request: RegisterRequest) -> Registration:
    backoff = Backoff()
    while True:
        try:
            return await tools.api.register(request, tools.settings.fleet_secret.get_secret_value())
        except Refused as error:
            if not is_passing(error):
                raise
            log.warning("the control plane cannot register workers now: %s", error.message)
        except Unreachable as error:
            log.warning("%s %s", error.message, error.hint)
        await asyncio.sleep(backoff.next_seconds())
