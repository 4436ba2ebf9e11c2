"""`/object_info`, `/system_stats`, `/features`: what there is."""

import os
import sys
from typing import Final

import psutil
from starlette.requests import Request
from starlette.routing import Route

from comfyfleet.standin.answers import Json
from comfyfleet.standin.services import services_of
from comfyfleet.standin.settings import NOTICE, VERSION


async def all_classes(request: Request) -> Json:
    """Describe every node class."""
    services = services_of(request)
    return Json({name: node.info(services.folders) for name, node in services.catalogue.items()})


async def one_class(request: Request) -> Json:
    """Describe one node class; an empty object if there is none of the name."""
    services, name = services_of(request), request.path_params["name"]
    node = services.catalogue.get(name)
    return Json({name: node.info(services.folders)} if node else {})


async def system_stats(request: Request) -> Json:
    """Describe program and machine. The one device is the CPU, named as what uses it."""
    memory = psutil.virtual_memory()
    return Json(
        {
            "system": {
                "os": os.name,
                "ram_total": memory.total,
                "ram_free": memory.available,
                "comfyui_version": VERSION,
                "required_frontend_version": None,
                "python_version": sys.version,
                "pytorch_version": "none",
                "embedded_python": False,
                "argv": services_of(request).settings.argv,
            },
            "devices": [
                {
                    "name": f"cpu ({NOTICE})",
                    "type": "cpu",
                    "index": None,
                    "vram_total": memory.total,
                    "vram_free": memory.available,
                    "torch_vram_total": 0,
                    "torch_vram_free": 0,
                }
            ],
        }
    )


async def features(request: Request) -> Json:
    """Say what clients may rely on."""
    return Json({"supports_preview_metadata": False, "max_upload_size": services_of(request).settings.max_upload_bytes})


ROUTES: Final = [
    Route("/object_info", all_classes, methods=["GET"]),
    Route("/object_info/{name}", one_class, methods=["GET"]),
    Route("/system_stats", system_stats, methods=["GET"]),
    Route("/features", features, methods=["GET"]),
]
