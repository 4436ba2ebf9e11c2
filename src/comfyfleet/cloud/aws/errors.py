"""The one place where AWS's errors become ours."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.parsers import ResponseParserError

from comfyfleet.core.errors import FleetError, Forbidden, Invalid, Unavailable
from comfyfleet.core.keys import ObjectNotFound


class AwsRefused(Forbidden):
    """AWS denied the call."""

    code = "aws_refused"


class AwsInvalid(Invalid):
    """AWS does not accept the request as it is."""

    code = "aws_invalid"


class AwsUnavailable(Unavailable):
    """AWS cannot be reached, throttles us, or failed."""

    code = "aws_unavailable"


_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_THROTTLED: Final = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException", "TooManyUpdates"}
)
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html, and SSM's own."""


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
    """Turn S3's errors into ours; `what` says what was tried.

    Raises:
        ObjectNotFound: There is no such object.
        AwsRefused: Keys are missing or wrong, or a policy forbids it.
        AwsUnavailable: Everything else: no bucket, no network, throttled, broken.
    """
    with _errors(what, _of_s3):
        yield


@contextlib.contextmanager
def service_errors(what: str) -> Iterator[None]:
    """Turn the errors of AWS's other services into ours, once retries are used up; `what` says what was tried.

    Raises:
        AwsRefused: Keys are missing or wrong, or a policy forbids it.
        AwsInvalid: The request is wrong, or names what there is not.
        AwsUnavailable: No network, throttled, broken.
    """
    with _errors(what, _of_service):
        yield


@contextlib.contextmanager
def _errors(what: str, of_answer: Callable[[str, ClientError], FleetError]) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise of_answer(what, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        hint = "Set the access key and the secret key, or give the machine a role."
        raise AwsRefused(f"{what} failed: {error}.", hint=hint) from error
    except (BotoCoreError, ResponseParserError) as error:  # a proxy's page is no answer of AWS
        raise AwsUnavailable(f"{what} failed: {error}", hint="Check the endpoint and the network.") from error


def _of_service(what: str, error: ClientError) -> FleetError:
    reason, code = _reason(error), code_of(error)
    if code in _DENIED:
        return AwsRefused(f"{what} was refused: {reason}.", hint="Check the credentials and policies.")
    if code in _THROTTLED or status_of(error) >= 500:
        return AwsUnavailable(f"{what} failed: {reason}.", hint="Try again later.")
    return AwsInvalid(f"{what} failed: {reason} ({code}).", hint="Check what was asked for, and the region.")


def _reason(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message") or code_of(error)).rstrip(".")


def _of_s3(what: str, error: ClientError) -> FleetError:
    status = status_of(error)
    reason = _reason(error)
    if code_of(error) == "NoSuchBucket":
        return AwsUnavailable(f"{what} failed: {reason}.", hint="Check the bucket's name, its endpoint and keys.")
    if status == 404:
        return ObjectNotFound(f"{what}: there is none.")
    if status in {301, 307}:
        return AwsUnavailable(f"{what} failed: {reason}.", hint="Set the region that the bucket is in.")
    if status in {400, 401, 403}:
        return AwsRefused(f"{what} was refused: {reason}.", hint="Check the credentials and policies.")
    return AwsUnavailable(f"{what} failed: {reason}.", hint="Try again later.")
