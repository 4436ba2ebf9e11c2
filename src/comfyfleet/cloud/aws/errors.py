"""The one place where AWS's errors become ours."""

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from comfyfleet.core.errors import Forbidden, Unavailable
from comfyfleet.core.keys import ObjectNotFound


class AwsRefused(Forbidden):
    """AWS denied the call."""

    code = "aws_refused"


class AwsUnavailable(Unavailable):
    """AWS cannot be reached, throttles us, or failed."""

    code = "aws_unavailable"


def status_of(error: ClientError) -> int:
    """Return the HTTP status of AWS's answer."""
    response: dict[str, Any] = error.response
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextlib.contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Turn AWS's errors into ours; `what` says what was tried."""
    try:
        yield
    except ClientError as error:
        status = status_of(error)
        reason = error.response.get("Error", {}).get("Message") or error.response.get("Error", {}).get("Code")
        if status == 404:
            raise ObjectNotFound(f"{what}: there is none.") from error
        if status in {400, 401, 403}:
            raise AwsRefused(f"{what} was refused: {reason}.", hint="Check the credentials and policies.") from error
        raise AwsUnavailable(f"{what} failed: {reason}.", hint="Try again later.") from error
    except BotoCoreError as error:
        raise AwsUnavailable(f"{what} failed: {error}", hint="Check the endpoint and the network.") from error
