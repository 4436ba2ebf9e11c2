"""The one place where AWS's errors become ours."""

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from comfyfleet.core.errors import FleetError, Forbidden, Unavailable
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


def code_of(error: ClientError) -> str:
    """Return AWS's name for what went wrong."""
    response: dict[str, Any] = error.response
    return str(response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Turn AWS's errors into ours; `what` says what was tried.

    Raises:
        ObjectNotFound: There is no such object.
        AwsRefused: Keys are missing or wrong, or a policy forbids it.
        AwsUnavailable: Everything else: no bucket, no network, throttled, broken.
    """
    try:
        yield
    except ClientError as error:
        raise _of_answer(what, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        hint = "Set the access key and the secret key, or give the machine a role."
        raise AwsRefused(f"{what} failed: {error}.", hint=hint) from error
    except BotoCoreError as error:
        raise AwsUnavailable(f"{what} failed: {error}", hint="Check the endpoint and the network.") from error


def _of_answer(what: str, error: ClientError) -> FleetError:
    status = status_of(error)
    reason = error.response.get("Error", {}).get("Message") or code_of(error)
    if code_of(error) == "NoSuchBucket":
        return AwsUnavailable(f"{what} failed: {reason}.", hint="Check the bucket's name, its endpoint and keys.")
    if status == 404:
        return ObjectNotFound(f"{what}: there is none.")
    if status in {301, 307}:
        return AwsUnavailable(f"{what} failed: {reason}.", hint="Set the region that the bucket is in.")
    if status in {400, 401, 403}:
        return AwsRefused(f"{what} was refused: {reason}.", hint="Check the credentials and policies.")
    return AwsUnavailable(f"{what} failed: {reason}.", hint="Try again later.")
