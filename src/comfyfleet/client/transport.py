"""What every client of the control plane does with an answer: the envelope's data, or an error that says why."""

from typing import Any

import httpx
from pydantic import ValidationError

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.protocol.envelope import Refusal


def data_of(response: httpx.Response) -> Any:
    """Return the `data` of an answer whose body was read.

    Raises:
        Refused: The status is 4xx or 5xx and the body says why.
        Unreachable: The body is no envelope, or a gateway says that the server is away.
    """
    if response.is_success:
        return _envelope_data(response)
    try:
        refusal = Refusal.model_validate_json(response.content)
    except ValidationError as error:
        raise _not_ours(response) from error
    raise Refused(response.status_code, refusal.error.code, refusal.message, refusal.error.hint)


def unreachable(error: httpx.HTTPError, url: str) -> Unreachable:
    """Return a failed call as an error for a person."""
    reason = str(error) or type(error).__name__
    return Unreachable(f"{url} does not answer: {reason}.", hint="Is the server running, and is the address right?")


def _envelope_data(response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError as error:
        raise _not_ours(response) from error
    if not isinstance(body, dict) or "data" not in body:
        raise _not_ours(response)
    return body["data"]


def _not_ours(response: httpx.Response) -> Unreachable:
    url = response.request.url
    return Unreachable(
        f"{url.scheme}://{url.netloc.decode()}{url.path} answered {response.status_code} without an envelope.",
        hint="Check that the address is the control plane's, and look at what stands between (a proxy?).",
    )
