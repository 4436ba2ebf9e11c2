"""What the routes work with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from comfyfleet.standin.events import Events
from comfyfleet.standin.folders import Folders
from comfyfleet.standin.nodes.spec import Node
from comfyfleet.standin.settings import Settings
from comfyfleet.standin.state import State


@dataclass(frozen=True)
class Services:
    """One running stand-in."""

    settings: Settings
    folders: Folders
    state: State
    events: Events
    catalogue: Mapping[str, Node]


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the app that a request or a WebSocket came to."""
    services = connection.app.state.services
    if not isinstance(services, Services):
        raise TypeError("The app was not built by create_app")
    return services


async def body_of(request: Request) -> dict[str, Any]:
    """Return a request's JSON object.

    Raises:
        HTTPException: It is none; 500 and text, which is what ComfyUI answers.
    """
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise broken_request(f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise broken_request("The body is not a JSON object")
    return body


def broken_request(reason: str) -> HTTPException:
    """Return ComfyUI's answer to a request that its code trips over."""
    return HTTPException(500, f"500 Internal Server Error\n\n{reason}")
