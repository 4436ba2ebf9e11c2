"""`/ws`: what happens, as it happens."""

import asyncio
import json
import uuid
from typing import Final

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from comfyfleet.standin.answers import dumps
from comfyfleet.standin.events import Message
from comfyfleet.standin.services import Services, services_of


async def listen(websocket: WebSocket) -> None:
    """Send a client its events until it leaves; `clientId` says who it is."""
    services = services_of(websocket)
    client_id = websocket.query_params.get("clientId") or uuid.uuid4().hex
    await websocket.accept()
    with services.events.mailbox(client_id) as mailbox:
        info = {"exec_info": {"queue_remaining": services.state.remaining()}}
        mailbox.put_nowait({"type": "status", "data": {"status": info, "sid": client_id}})
        if node := services.events.present_node(client_id):
            mailbox.put_nowait({"type": "executing", "data": {"node": node}})
        sender = asyncio.create_task(_send(websocket, mailbox))
        try:
            await _receive(websocket, mailbox, services)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)


async def _send(websocket: WebSocket, mailbox: asyncio.Queue[Message]) -> None:
    while True:
        await websocket.send_text(dumps(await mailbox.get()))


async def _receive(websocket: WebSocket, mailbox: asyncio.Queue[Message], services: Services) -> None:
    """Read what the client says until it leaves; only a question for features has an answer."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if _is_feature_question(message.get("text") or ""):
            size = services.settings.max_upload_bytes
            features = {"supports_preview_metadata": False, "max_upload_size": size}
            mailbox.put_nowait({"type": "feature_flags", "data": features})


def _is_feature_question(text: str) -> bool:
    try:
        message = json.loads(text)
    except json.JSONDecodeError:
        return False
    return isinstance(message, dict) and message.get("type") == "feature_flags"


ROUTES: Final = [WebSocketRoute("/ws", listen)]
