"""Objects in an S3 bucket."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.errors import aws_errors, status_of
from comfyfleet.cloud.ports import SignedRequest, StoredObject
from comfyfleet.core.keys import check_content_type, check_key

_PRECONDITION_FAILED: Final = 412
_CONFLICT: Final = 409
_RANGE_BEYOND_END: Final = 416
_CREATE_ATTEMPTS: Final = 3


def make_s3_client(
    *,
    endpoint_url: str | None = None,
    region: str = "us-east-1",
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
) -> Any:
    """Make an S3 client. Without keys the machine's own role is used."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=5,
        read_timeout=30,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(  # boto3's own session is shared by all and keeps the keys of the first
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=config,
    )


class S3ObjectStore:
    """One bucket on S3, or on a server that speaks its protocol."""

    def __init__(self, bucket: str, client: Any) -> None:
        self.bucket = bucket
        self.client = client

    def sign_get(self, key: str, *, expires_seconds: int, filename: str | None = None) -> SignedRequest:
        """Sign a GET; see `ObjectStore`."""
        parameters = {"Bucket": self.bucket, "Key": check_key(key)}
        if filename is not None:
            parameters["ResponseContentDisposition"] = f"inline; filename*=UTF-8''{quote(filename, safe='')}"
        return self._sign("GET", "get_object", parameters, {}, expires_seconds)

    def sign_put(self, key: str, *, expires_seconds: int, content_type: str, size: int | None = None) -> SignedRequest:
        """Sign a PUT; see `ObjectStore`."""
        parameters: dict[str, Any] = {
            "Bucket": self.bucket,
            "Key": check_key(key),
            "ContentType": check_content_type(content_type),
        }
        if size is not None:
            parameters["ContentLength"] = size
        return self._sign("PUT", "put_object", parameters, {"Content-Type": content_type}, expires_seconds)

    def head(self, key: str) -> StoredObject | None:
        """Describe an object, or return None."""
        with aws_errors(f"Looking at '{key}'"):
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=check_key(key))
            except ClientError as error:
                if status_of(error) == 404:
                    return None
                raise
        return StoredObject(key, found["ContentLength"], found["ContentType"], found["LastModified"])

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return an object whole or in part; see `ObjectStore`."""
        parameters = {"Bucket": self.bucket, "Key": check_key(key)}
        if start or length is not None:
            parameters["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        with aws_errors(f"Reading '{key}'"):
            try:
                content: bytes = self.client.get_object(**parameters)["Body"].read()
            except ClientError as error:
                if status_of(error) != _RANGE_BEYOND_END:
                    raise
                return b""
        return content

    def write(self, key: str, content: bytes, *, content_type: str, create_only: bool = False) -> bool:
        """Store an object; see `ObjectStore`."""
        parameters = {"Bucket": self.bucket, "Key": check_key(key), "ContentType": check_content_type(content_type)}
        with aws_errors(f"Writing '{key}'"):
            if create_only:
                return self._create(parameters, content)
            self.client.put_object(**parameters, Body=content)
        return True

    def delete(self, key: str) -> None:
        """Remove an object."""
        with aws_errors(f"Deleting '{key}'"):
            self.client.delete_object(Bucket=self.bucket, Key=check_key(key))

    def _create(self, parameters: dict[str, str], content: bytes, attempts: int = _CREATE_ATTEMPTS) -> bool:
        try:
            self.client.put_object(**parameters, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) == _PRECONDITION_FAILED:
                return False
            # Somebody else was writing this key; who won is not known, so S3 asks to try again.
            if status_of(error) != _CONFLICT or attempts == 1:
                raise
            return self._create(parameters, content, attempts - 1)
        return True

    def _sign(
        self, method: str, operation: str, parameters: dict[str, Any], headers: dict[str, str], expires_seconds: int
    ) -> SignedRequest:
        with aws_errors("Signing a URL"):
            url = self.client.generate_presigned_url(operation, Params=parameters, ExpiresIn=expires_seconds)
        expires_at = datetime.now(UTC) + timedelta(seconds=expires_seconds)
        return SignedRequest(method, url, headers, expires_at)
