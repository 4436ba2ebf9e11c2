"""`/queue`, `/history`, `/interrupt`, `/free`: look at what waits, runs and was, and intervene."""

import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfyfleet.standin.answers import Json
from comfyfleet.standin.services import body_of, broken_request, services_of


async def show_queue(request: Request) -> Json:
    """Show what runs and what waits."""
    running, waiting = services_of(request).state.queue()
    return Json(
        {
            "queue_running": [prompt.entry() for prompt in running],
            "queue_pending": [prompt.entry() for prompt in waiting],
        }
    )


async def change_queue(request: Request) -> Response:
    """Take waiting prompts out: `{"clear": true}` all, `{"delete": [id]}` some."""
    state, body = services_of(request).state, await body_of(request)
    if body.get("clear"):
        state.clear_waiting()
    for prompt_id in body.get("delete", ()):
        state.delete_waiting(prompt_id)
    return Response()


async def show_history(request: Request) -> Json:
    """Show what has ended, oldest first."""
    try:
        bounds = {
            name: int(request.query_params[name]) for name in ("max_items", "offset") if name in request.query_params
        }
    except ValueError as error:
        raise broken_request(str(error)) from error
    history = services_of(request).state.history(max_items=bounds.get("max_items"), offset=bounds.get("offset", -1))
    return Json(history)


async def show_past(request: Request) -> Json:
    """Show one prompt that has ended; an empty object if it has not, or is not known."""
    prompt_id = request.path_params["prompt_id"]
    entry = services_of(request).state.past(prompt_id)
    return Json({prompt_id: entry} if entry else {})


async def change_history(request: Request) -> Response:
    """Drop history: `{"clear": true}` all, `{"delete": [id]}` some."""
    state, body = services_of(request).state, await body_of(request)
    if body.get("clear"):
        state.clear_history()
    for prompt_id in body.get("delete", ()):
        state.delete_past(prompt_id)
    return Response()


async def interrupt(request: Request) -> Response:
    """Interrupt what runs, or with `{"prompt_id": id}` only that; no body is needed."""
    services_of(request).state.interrupt((await _optional_body(request)).get("prompt_id") or None)
    return Response()


async def free(request: Request) -> Response:
    """Forget cached results with `{"free_memory": true}`; there are no models to unload."""
    body = await body_of(request)
    if body.get("free_memory"):
        services_of(request).state.forget()
    return Response()


async def _optional_body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


ROUTES: Final = [
    Route("/queue", show_queue, methods=["GET"]),
    Route("/queue", change_queue, methods=["POST"]),
    Route("/history", show_history, methods=["GET"]),
    Route("/history", change_history, methods=["POST"]),
    Route("/history/{prompt_id}", show_past, methods=["GET"]),
    Route("/interrupt", interrupt, methods=["POST"]),
    Route("/free", free, methods=["POST"]),
]
