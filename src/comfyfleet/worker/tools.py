"""What a worker works with, made once by the program and handed to everything that needs it."""

from dataclasses import dataclass

import httpx

from comfyfleet.client.worker import WorkerApi
from comfyfleet.worker.cloud_machine import CloudMachine
from comfyfleet.worker.comfyui.client import ComfyUI
from comfyfleet.worker.comfyui.process import ComfyUIProcess
from comfyfleet.worker.log_buffer import LogBuffer
from comfyfleet.worker.settings import WorkerSettings


@dataclass(frozen=True)
class Tools:
    """The control plane, storage and ComfyUI. Storage has an HTTP client of its own: no token ever gets there."""

    settings: WorkerSettings
    api: WorkerApi
    storage: httpx.AsyncClient
    comfyui: ComfyUI
    process: ComfyUIProcess | None
    log_buffer: LogBuffer
    machine: CloudMachine | None = None

    @property
    def owner(self) -> dict[str, str]:
        """What ComfyUI keeps beside each prompt of this worker."""
        return {"worker_id": self.settings.worker_id}
