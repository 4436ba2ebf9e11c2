"""Machine images of EC2."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.clients import make_client, when_it_appears
from comfyfleet.cloud.aws.errors import code_of, service_errors
from comfyfleet.cloud.aws.tags import as_tags, filters_of, tags_of
from comfyfleet.cloud.fleet_ports import Image, ImageState

_MISSING: Final = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"})
_STATES: Final = {"available": ImageState.AVAILABLE, "pending": ImageState.PENDING}


class Ec2Images:
    """The images of an account; see `Images`."""

    def __init__(self, client: Any = None) -> None:
        self._ec2 = client or make_client("ec2")

    def create(self, instance_id: str, name: str, tags: Mapping[str, str]) -> str:
        """Begin to make an image; its snapshots get the same tags."""
        with service_errors(f"Making an image of {instance_id}"):
            answer = self._ec2.create_image(
                InstanceId=instance_id,
                Name=name,
                TagSpecifications=[{"ResourceType": kind, "Tags": as_tags(tags)} for kind in ("image", "snapshot")],
            )
            image_id = str(answer["ImageId"])
            when_it_appears(lambda: self._ec2.describe_images(ImageIds=[image_id]), missing=_MISSING)
        return image_id

    def find(self, image_id: str) -> Image | None:
        """Return an image, or None."""
        found = self._describe(image_id)
        return None if found is None else _image(found)

    def tagged(self, tags: Mapping[str, str]) -> list[Image]:
        """Return our images with these tags, newest first."""
        with service_errors("Listing images"):
            found = self._ec2.describe_images(Owners=["self"], Filters=filters_of(tags))["Images"]
        return sorted((_image(one) for one in found), key=lambda one: one.created_at, reverse=True)

    def delete(self, image_id: str) -> None:
        """Deregister an image, and delete the snapshots that no other image of ours has."""
        found = self._describe(image_id)
        if found is None:
            return
        with service_errors(f"Removing the image {image_id}"):
            self._ec2.deregister_image(ImageId=image_id)
            for snapshot_id in _snapshots(found) - self._snapshots_in_use(image_id):
                self._ec2.delete_snapshot(SnapshotId=snapshot_id)

    def in_templates(self) -> frozenset[str]:
        """Return the images that the newest or the default version of a launch template names."""
        with service_errors("Looking at launch templates"):
            pages = self._ec2.get_paginator("describe_launch_templates").paginate()
            ids = [one["LaunchTemplateId"] for page in pages for one in page["LaunchTemplates"]]
            return frozenset(image_id for template_id in ids for image_id in self._images_of(template_id))

    def _images_of(self, template_id: str) -> set[str]:
        found = self._ec2.describe_launch_template_versions(
            LaunchTemplateId=template_id,
            Versions=["$Latest", "$Default"],
            ResolveAlias=True,  # of `resolve:ssm:…` the id that it stands for now
        )
        data = [one["LaunchTemplateData"] for one in found["LaunchTemplateVersions"]]
        return {one["ImageId"] for one in data if "ImageId" in one}

    def _snapshots_in_use(self, but: str) -> set[str]:
        others = self._ec2.describe_images(Owners=["self"])["Images"]
        return {snapshot for one in others if one["ImageId"] != but for snapshot in _snapshots(one)}

    def _describe(self, image_id: str) -> dict[str, Any] | None:
        with service_errors(f"Looking at the image {image_id}"):
            try:
                found = self._ec2.describe_images(ImageIds=[image_id])["Images"]
            except ClientError as error:
                if code_of(error) in _MISSING | {"InvalidAMIID.Malformed"}:
                    return None
                raise
        return found[0] if found else None


def _snapshots(image: dict[str, Any]) -> set[str]:
    disks = [mapping.get("Ebs", {}) for mapping in image.get("BlockDeviceMappings", [])]
    return {disk["SnapshotId"] for disk in disks if "SnapshotId" in disk}


def _image(found: dict[str, Any]) -> Image:
    return Image(
        image_id=found["ImageId"],
        name=found["Name"],
        state=_STATES.get(found["State"], ImageState.FAILED),
        created_at=datetime.fromisoformat(found["CreationDate"]),
        tags=tags_of(found),
    )
