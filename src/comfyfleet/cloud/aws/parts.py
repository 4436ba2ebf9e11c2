"""Large objects on S3 that come in parts, and the index of a bucket."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.errors import aws_errors, code_of, status_of
from comfyfleet.cloud.aws.s3 import S3ObjectStore
from comfyfleet.cloud.ports import PartedUpload, SignedRequest, StoredObject
from comfyfleet.core.keys import ObjectNotFound, PartsMissing, WrongSize, check_content_type, check_key

_COPY_PART: Final = 2**30  # S3 copies at most 5 GiB in one call; parts of a GiB fail and are tried again cheaply
_PRECONDITION_FAILED: Final = 412


class S3PartStore:
    """The parted uploads and the index of one bucket on S3."""

    def __init__(self, store: S3ObjectStore) -> None:
        self._store = store
        self._bucket = store.bucket
        self._client: Any = store.client

    def begin(self, key: str, *, content_type: str, size: int, part_size: int) -> PartedUpload:
        """Begin an upload; see `PartStore`."""
        upload_id = self._create(key, content_type)
        return PartedUpload(key, upload_id, content_type, size, part_size)

    def sign_part(self, upload: PartedUpload, number: int, *, expires_seconds: int) -> SignedRequest:
        """Sign a PUT of a part; see `PartStore`."""
        parameters = {**self._named(upload), "PartNumber": number, "ContentLength": upload.size_of(number)}
        with aws_errors("Signing a URL"):
            url = self._client.generate_presigned_url("upload_part", Params=parameters, ExpiresIn=expires_seconds)
        return SignedRequest("PUT", url, {}, datetime.now(UTC) + timedelta(seconds=expires_seconds))

    def write_part(self, upload: PartedUpload, number: int, content: bytes) -> None:
        """Store a part; see `PartStore`."""
        if len(content) != upload.size_of(number):
            message = f"{len(content)} bytes came, and the part has {upload.size_of(number)}."
            raise WrongSize(message, hint="Send exactly the bytes of the part.")
        with aws_errors(f"Writing a part of '{upload.key}'"):
            self._client.upload_part(**self._named(upload), PartNumber=number, Body=content)

    def parts(self, upload: PartedUpload) -> dict[int, int]:
        """Return the parts that are there; see `PartStore`."""
        return {part["PartNumber"]: part["Size"] for part in self._list_parts(upload)}

    def complete(self, upload: PartedUpload) -> None:
        """Make the object of its parts; see `PartStore`."""
        try:
            parts = self._list_parts(upload)
        except ObjectNotFound:
            found = self._store.head(upload.key)
            if found is None or found.size != upload.size:
                raise
            return
        _check_parts(upload, parts)
        tags = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        with aws_errors(f"Completing '{upload.key}'"):
            self._client.complete_multipart_upload(**self._named(upload), MultipartUpload={"Parts": tags})

    def abort(self, upload: PartedUpload) -> None:
        """Drop an upload; see `PartStore`."""
        with aws_errors(f"Dropping the upload of '{upload.key}'"):
            try:
                self._client.abort_multipart_upload(**self._named(upload))
            except ClientError as error:
                if status_of(error) != 404:
                    raise

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Yield objects by key; see `ObjectIndex`."""
        with aws_errors(f"Listing '{prefix}'"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", []):
                    yield StoredObject(item["Key"], item["Size"], "", item["LastModified"])

    def move(self, key: str, target: str) -> bool:
        """Give an object another key; see `ObjectIndex`. S3 copies it by itself, the old one is deleted after."""
        found = self._store.head(key)
        if found is None:
            raise ObjectNotFound(f"There is no object '{key}' in '{self._bucket}'.")
        if self._store.head(target) is not None or not self._copy(found, target):
            return False
        self._store.delete(key)
        return True

    def _copy(self, source: StoredObject, target: str) -> bool:
        copy = PartedUpload(target, self._create(target, source.content_type), "", source.size, _COPY_PART)
        try:
            tags = [self._copy_part(copy, source, number) for number in range(1, copy.part_count + 1)]
            return self._complete_new(copy, tags)
        except BaseException:
            self.abort(copy)
            raise

    def _copy_part(self, copy: PartedUpload, source: StoredObject, number: int) -> dict[str, Any]:
        first = copy.offset_of(number)
        with aws_errors(f"Copying '{source.key}'"):
            answer = self._client.upload_part_copy(
                **self._named(copy),
                PartNumber=number,
                CopySource=f"{self._bucket}/{quote(source.key)}",
                CopySourceRange=f"bytes={first}-{first + copy.size_of(number) - 1}",
            )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    def _complete_new(self, copy: PartedUpload, tags: list[dict[str, Any]]) -> bool:
        with aws_errors(f"Completing '{copy.key}'"):
            try:
                self._client.complete_multipart_upload(
                    **self._named(copy), MultipartUpload={"Parts": tags}, IfNoneMatch="*"
                )
            except ClientError as error:
                if status_of(error) != _PRECONDITION_FAILED:
                    raise
                self.abort(copy)
                return False
        return True

    def _create(self, key: str, content_type: str) -> str:
        with aws_errors(f"Beginning the upload of '{key}'"):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=check_key(key), ContentType=check_content_type(content_type)
            )
        return str(answer["UploadId"])

    def _list_parts(self, upload: PartedUpload) -> list[dict[str, Any]]:
        with aws_errors(f"Looking at the parts of '{upload.key}'"):
            try:
                pages = self._client.get_paginator("list_parts").paginate(**self._named(upload))
                # SeaweedFS lists a part twice that was sent twice.
                newest = {part["PartNumber"]: part for page in pages for part in page.get("Parts", [])}
                return [newest[number] for number in sorted(newest)]
            except ClientError as error:
                if code_of(error) == "NoSuchUpload":
                    raise ObjectNotFound("There is no such upload, or it is over.", hint="Begin a new one.") from error
                raise

    def _named(self, upload: PartedUpload) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": upload.key, "UploadId": upload.upload_id}


def _check_parts(upload: PartedUpload, parts: list[dict[str, Any]]) -> None:
    whole = [part for part in parts if part["Size"] == upload.size_of(part["PartNumber"])]
    missing = upload.part_count - len(whole)
    if missing:
        raise PartsMissing(f"{missing} of {upload.part_count} parts have not arrived.", hint="Send them first.")
