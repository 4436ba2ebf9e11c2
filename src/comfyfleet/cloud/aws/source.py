"""Objects that a machine reads from S3.

Only botocore's signer and credentials are used: a whole S3 client takes a quarter of a second and 15 MiB to make.
"""

import threading
import time
from typing import Any, Final
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session
from botocore.utils import InstanceMetadataRegionFetcher

from comfyfleet.cloud.aws.errors import AwsRefused, aws_errors
from comfyfleet.cloud.ports import ObjectPlace
from comfyfleet.core.keys import check_key

_URL_SECONDS: Final = 3600
_RENEW_SECONDS: Final = 300  # well before a role's credentials, and with them the URL, can end
_DEFAULT_REGION: Final = "us-east-1"
_METADATA_PLACES: Final = ("ec2_metadata_service_endpoint", "ec2_metadata_service_endpoint_mode")
_ROLE: Final = "iam-role"  # botocore's word for credentials of an instance


class S3Source:
    """A bucket on S3, read with the environment's or the instance role's credentials."""

    def __init__(self, bucket: str, *, endpoint_url: str | None = None, region: str | None = None) -> None:
        self.bucket = bucket
        self._session: Any = get_session()
        self._credentials: Any = self._find_credentials()
        self._region = region or self._find_region()
        self._base = _base_url(bucket, endpoint_url, self._region)
        self._signed: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def locate(self, key: str) -> ObjectPlace:
        """Return a signed URL of an object; see `ObjectSource`."""
        with self._lock:
            made_at, url = self._signed.get(key, (float("-inf"), ""))
            if time.monotonic() - made_at >= _RENEW_SECONDS:
                url = self._sign(check_key(key))
                self._signed[key] = (time.monotonic(), url)
        return ObjectPlace(url=url)

    def _find_credentials(self) -> Any:
        with aws_errors("Looking for credentials"):
            found = self._session.get_credentials()
        if found is None:
            raise AwsRefused(
                "There are no credentials for S3.",
                hint="Give the machine a role, or set AWS_ACCESS_KEY_ID and its secret.",
            )
        return found

    def _find_region(self) -> str:
        """Return the configured region; on an instance that has a role, else the region that it runs in."""
        configured = self._session.get_config_variable("region")
        if configured or self._credentials.method != _ROLE:
            return str(configured or _DEFAULT_REGION)
        places = {name: self._session.get_config_variable(name) for name in _METADATA_PLACES}
        return str(InstanceMetadataRegionFetcher(config=places).retrieve_region() or _DEFAULT_REGION)

    def _sign(self, key: str) -> str:
        request = AWSRequest("GET", f"{self._base}/{quote(key)}")
        with aws_errors("Signing a URL"):
            frozen = self._credentials.get_frozen_credentials()
            S3SigV4QueryAuth(frozen, "s3", self._region, expires=_URL_SECONDS).add_auth(request)
        return str(request.url)


def _base_url(bucket: str, endpoint_url: str | None, region: str) -> str:
    if endpoint_url is not None:
        parts = urlsplit(endpoint_url)
        return f"{parts.scheme}://{parts.netloc}/{bucket}"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    if "." in bucket:  # the certificate of AWS covers one label only
        return f"https://s3.{region}.{domain}/{bucket}"
    return f"https://{bucket}.s3.{region}.{domain}"
