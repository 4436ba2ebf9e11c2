"""What moto lacks of actions that it otherwise does, added to it. Run as a program, it is moto's server with that."""

from collections.abc import Sequence
from typing import Any

from moto.ec2.models.amis import Ami, AmiBackend
from moto.server import main

_create_image = AmiBackend.create_image


def fill() -> None:
    """Let `CreateImage` tag an image's snapshots, too, which moto refuses; again is no more than once.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
    """
    AmiBackend.create_image = _create_image_and_tag_snapshots  # type: ignore[method-assign, assignment]


def _create_image_and_tag_snapshots(
    backend: AmiBackend, instance_id: str, name: str, description: str, tag_specifications: list[dict[str, Any]]
) -> Ami:
    of_images = [one for one in tag_specifications if one["ResourceType"] != "snapshot"]
    image = _create_image(backend, instance_id, name, description, of_images)
    image.ec2_backend.create_tags([image.ebs_snapshot.id], _tags(tag_specifications))
    return image


def _tags(specifications: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {
        tag["Key"]: tag["Value"] for one in specifications if one["ResourceType"] == "snapshot" for tag in one["Tags"]
    }


if __name__ == "__main__":
    fill()
    main()
