"""`/prompt`: take a prompt, or say how many there are."""

import math
import time
import uuid
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import Route

from comfyfleet.core.graphs import Graph
from comfyfleet.standin.answers import Json
from comfyfleet.standin.services import Services, body_of, broken_request, services_of
from comfyfleet.standin.validation import Verdict, problem, validate

_SECRETS: Final = ("auth_token_comfy_org", "api_key_comfy_org")
"""Extra data that ComfyUI never shows again."""


async def count(request: Request) -> Json:
    """Say how many prompts run or wait."""
    return Json({"exec_info": {"queue_remaining": services_of(request).state.remaining()}})


async def post(request: Request) -> Json:
    """Validate a prompt and queue it."""
    services, body = services_of(request), await body_of(request)
    number = _number(services, body)
    if "prompt" not in body:
        return _refuse(problem("no_prompt", "No prompt provided", "No prompt provided"))
    prompt_id = body.get("prompt_id") or str(uuid.uuid4())
    if not is_canonical_uuid(prompt_id):
        details = (
            "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
            "omit it to let the server generate one"
        )
        return _refuse(problem("invalid_prompt_id", "prompt_id must be a valid UUID", details))
    graph = _graph(body["prompt"])
    verdict = validate(graph, services.catalogue, services.folders, body.get("partial_execution_targets"))
    if verdict.error:
        return _refuse(verdict.error, verdict)
    services.state.put(number, prompt_id, graph, _extra_data(body), verdict.outputs)
    return Json({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})


def is_canonical_uuid(value: object) -> bool:
    """Tell whether a value is a UUID in lower case with hyphens, the only form of an id that is taken."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _number(services: Services, body: dict[str, Any]) -> float:
    if "number" in body:
        try:
            number = float(body["number"])
        except (TypeError, ValueError) as error:
            raise broken_request(f"number is none: {error}") from error
        if math.isnan(number):
            raise broken_request("number is none: it has no place in an order")
        return number
    number = services.state.next_number()
    return -number if body.get("front") else number


def _graph(document: object) -> Graph:
    if not isinstance(document, dict) or not all(isinstance(node, dict) for node in document.values()):
        raise broken_request("prompt is not an object of nodes")
    return document


def _extra_data(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("extra_data", {})
    if not isinstance(given, dict):
        raise broken_request("extra_data is not an object")
    extra_data = {key: value for key, value in given.items() if key not in _SECRETS}
    if "client_id" in body:
        extra_data["client_id"] = body["client_id"]
    return extra_data | {"create_time": int(time.time() * 1000)}


def _refuse(error: dict[str, Any], verdict: Verdict | None = None) -> Json:
    return Json({"error": error, "node_errors": verdict.node_errors if verdict else {}}, 400)


ROUTES: Final = [Route("/prompt", count, methods=["GET"]), Route("/prompt", post, methods=["POST"])]
