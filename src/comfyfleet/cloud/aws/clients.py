"""How every client of AWS's services but S3 is made: time limits and retries in one place.

Endpoints, regions, keys and roles are those that boto3 finds by itself, such as `AWS_ENDPOINT_URL_SSM`.
"""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.errors import code_of

_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 8},  # waits up to 20 s in between, also when throttled
    connect_timeout=5,
    read_timeout=60,
)
_APPEARS_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 1.0

T = TypeVar("T")


def make_client(service: str, region: str | None = None) -> Any:
    """Make a client, whose calls are safe in threads."""
    return boto3.session.Session().client(service, region_name=region, config=_CONFIG)


def when_it_appears(
    look: Callable[[], T], *, missing: frozenset[str], sleep: Callable[[float], None] = time.sleep
) -> T:
    """Look again for a minute while AWS does not know yet what it has just made: it is consistent in the end only.

    See https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html. `missing` are its codes for that.
    """
    for _ in range(int(_APPEARS_SECONDS / _LOOK_SECONDS)):
        try:
            return look()
        except ClientError as error:
            if code_of(error) not in missing:
                raise
        sleep(_LOOK_SECONDS)
    return look()
