"""What a bake will do: decided before anything is launched."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Machine, NewMachine
from comfyfleet.core.keys import ObjectNotFound
from comfyfleet.core.wording import size_text, span_text
from comfyfleet.ops.apply_remote import models_bucket
from comfyfleet.ops.bake.package import Package
from comfyfleet.ops.bake.retention import surplus
from comfyfleet.ops.errors import ImageUnknown, TargetInvalid
from comfyfleet.ops.launching import existing_image, fleet_subnet, new_token
from comfyfleet.ops.targets import bundle_id_of, check_bucket, check_fleet, is_image_id
from comfyfleet.ops.tools import Cloud, Plan

DEFAULT_TYPES: Final = ("g5.2xlarge", "g6.2xlarge", "g4dn.2xlarge")
DEFAULT_KEEP: Final = 3
LEFTOVER_AGE: Final = timedelta(hours=3)
UNPROVEN: Final = "Whether workflows can reach the machine's role is not proved: only for machines that are simulated"
_BASE_GIB: Final = 60
_INSTALL_SECONDS: Final = 15 * 60
_BYTES_A_SECOND: Final = 150_000_000
"""A guess at what a bundle's way onto the disk, its check and its share of the snapshot come to; the plan says so."""


@dataclass(frozen=True)
class BakeOrder:
    """An image for a fleet. `base` is an image's id, or the parameter that holds one."""

    stage: str
    fleet_slug: str
    bundle: str
    package: Package
    revision: str
    models_bucket: str | None = None
    base: str = names.BASE_IMAGE_PARAMETER
    instance_types: Sequence[str] = DEFAULT_TYPES
    subnet_id: str | None = None
    instance_profile: str | None = None
    keep: int = DEFAULT_KEEP
    proves_isolation: bool = True


@dataclass(frozen=True)
class BakePlan(Plan):
    """An image that will be made. `deletes` are images that go when it is there, `leftovers` machines of old bakes.

    `is_parameter_empty` is whether the fleet's parameter names no image that exists, so that its launch template cannot
    be resolved: then the base image is written there first.
    """

    stage: str = ""
    fleet_slug: str = ""
    bundle_id: str = ""
    models_bucket: str = ""
    image_name: str = ""
    revision: str = ""
    machine: NewMachine | None = field(default=None, repr=False)
    package: Package | None = field(default=None, repr=False)
    token: str = ""
    is_parameter_empty: bool = False
    deletes: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    proves_isolation: bool = True

    @property
    def tags(self) -> dict[str, str]:
        """What finds the fleet's images."""
        return fleet_tags(self.stage, self.fleet_slug)


def plan(order: BakeOrder, cloud: Cloud) -> BakePlan:
    """Return what will be done.

    Raises:
        TargetInvalid: Something has the wrong form, or the bundle is not in the bucket, or the fleet has no stack whose
            role and network the machine could have.
        ImageUnknown: The base image does not exist.
    """
    label, bundle_id = check_fleet(order.stage, order.fleet_slug), bundle_id_of(order.bundle)
    if order.keep < 1:
        raise TargetInvalid("No image would be kept.", hint="Keep 1 at least; 2 allow to go back.")
    bucket = check_bucket(order.models_bucket or models_bucket(cloud, order.stage))
    size = _bundle_bytes(cloud, bucket, bundle_id)
    base_id = _base_image(cloud, order.base)
    template = None if order.instance_profile else _template(order, cloud)
    image = _parameter(order, cloud)
    token = new_token()
    name = f"{cloud.prefix}-{order.stage}-{order.fleet_slug}-{cloud.now():%Y%m%d-%H%M%S}-{token[:6]}"
    deletes = surplus(
        cloud.images.tagged(fleet_tags(order.stage, order.fleet_slug)), order.keep - 1, images_in_use(cloud)
    )
    leftovers = tuple(machine.instance_id for machine in old_bakes(cloud))
    return BakePlan(
        title=f"Bake an image for {label} with bundle {bundle_id}",
        steps=(
            *(f"End {machine}, left by an earlier bake" for machine in leftovers),
            *_launch_steps(order, base_id, template, image),
            *_steps(order, image, base_id, size, deletes),
        ),
        stage=order.stage,
        fleet_slug=order.fleet_slug,
        bundle_id=bundle_id,
        models_bucket=bucket,
        image_name=name,
        revision=order.revision,
        machine=replace(_machine(order, cloud, name, base_id, size), template=template),
        package=order.package,
        token=token,
        is_parameter_empty=template is not None and not image.is_image,
        deletes=deletes,
        leftovers=leftovers,
        proves_isolation=order.proves_isolation,
        warnings=() if order.proves_isolation else (UNPROVEN,),
    )


def fleet_tags(stage: str, fleet_slug: str) -> dict[str, str]:
    """Return what finds a fleet's images."""
    return {names.STAGE_TAG: stage, names.FLEET_TAG: fleet_slug, names.ROLE_TAG: names.FLEET_ROLE}


def images_in_use(cloud: Cloud) -> frozenset[str]:
    """Return the images that a fleet's parameter, a launch template, or a machine of a fleet or of a person needs."""
    parameters = {parameter.value for parameter in cloud.parameters.below(f"/{cloud.prefix}/ami/fleets")}
    roles = (names.FLEET_ROLE, names.DEV_NODE_ROLE, names.BAKE_ROLE)
    machines = {machine.image_id for role in roles for machine in cloud.machines.tagged({names.ROLE_TAG: role})}
    return cloud.images.in_templates() | parameters | machines


def old_bakes(cloud: Cloud) -> list[Machine]:
    """Return the machines of bakes that ended without ending them."""
    limit = cloud.now() - LEFTOVER_AGE
    return [
        machine for machine in cloud.machines.tagged({names.ROLE_TAG: names.BAKE_ROLE}) if machine.launched_at < limit
    ]


@dataclass(frozen=True)
class _Parameter:
    """What a fleet's parameter holds, and whether that is an image that exists."""

    name: str
    value: str | None
    is_image: bool

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}, which is not there"
        return f"{self.name}, which holds {self.value}{'' if self.is_image else ', no image that exists'}"


def _parameter(order: BakeOrder, cloud: Cloud) -> _Parameter:
    name = names.image_parameter(order.stage, order.fleet_slug, prefix=cloud.prefix)
    found = cloud.parameters.get(name)
    value = found.value if found else None
    is_image = value is not None and is_image_id(value) and cloud.images.find(value) is not None
    return _Parameter(name, value, is_image)


def _template(order: BakeOrder, cloud: Cloud) -> str:
    """Return the launch template that the fleet's stack has made; raise `TargetInvalid` for a fleet without a stack."""
    group = names.group_name(order.stage, order.fleet_slug)
    if cloud.groups.find(group) is None:
        raise TargetInvalid(
            f"There is no group {group}: a bake's machine has the role and the network of the fleet's launch template.",
            hint="Deploy the stacks first (docs/guides/deploy-on-aws.md), or give --instance-profile and --subnet.",
        )
    return names.launch_template_name(order.stage, order.fleet_slug)


def _base_image(cloud: Cloud, base: str) -> str:
    if not base.startswith("/"):
        return existing_image(cloud, base)
    parameter = cloud.parameters.get(base)
    if parameter is None:
        raise ImageUnknown(f"There is no parameter {base}.", hint="Name a base image: --base ami-…")
    if not is_image_id(parameter.value):  # whose value is not shown, for it may be a secret
        raise ImageUnknown(f"The parameter {base} holds no machine image.", hint="Name a base image: --base ami-…")
    return existing_image(cloud, parameter.value)


def _bundle_bytes(cloud: Cloud, bucket: str, bundle_id: str) -> int:
    try:
        manifest = json.loads(cloud.bucket(bucket).read(names.manifest_key(bundle_id)))
        return sum(int(asset.get("size") or 0) for asset in manifest["assets"])
    except ObjectNotFound as error:
        raise TargetInvalid(
            f"The bucket {bucket} has no bundle {bundle_id}.", hint="See comfyfleet bundles list."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetInvalid(f"The manifest of bundle {bundle_id} is none.", hint="Write the bundle again.") from error


def _machine(order: BakeOrder, cloud: Cloud, name: str, base_id: str, size: int) -> NewMachine:
    return NewMachine(
        name=name,
        image_id=base_id,
        instance_types=tuple(order.instance_types),
        tags={
            names.ROLE_TAG: names.BAKE_ROLE,
            names.FLEET_TAG: order.fleet_slug,
            names.STAGE_TAG: order.stage,
        },
        # Whatever becomes of us, the machine does not outlive this.
        user_data=f"#!/bin/sh\nshutdown -h +{int(LEFTOVER_AGE.total_seconds() // 60)}\n",
        subnet_id=order.subnet_id or fleet_subnet(cloud, order.stage, order.fleet_slug),
        instance_profile=order.instance_profile,
        disk_gib=_BASE_GIB + -(-size * 2 // 2**30),
        stops_itself=True,
    )


def _launch_steps(order: BakeOrder, base_id: str, template: str | None, image: _Parameter) -> list[str]:
    source = f"one of {', '.join(order.instance_types)} from {base_id} ({order.base})"
    if template is None:
        return [f"Launch {source}, with the instance profile {order.instance_profile}"]
    launch = f"Launch {source}, with the role and the network of {template}"
    return [launch] if image.is_image else [f"Write {base_id} to {image}: {template} looks it up", launch]


def _steps(order: BakeOrder, image: _Parameter, base_id: str, size: int, deletes: Sequence[str]) -> tuple[str, ...]:
    seconds = _INSTALL_SECONDS + 3 * size / _BYTES_A_SECOND
    is_first = " and is the base image: this is the first bake" if image.value == base_id else ""
    steps = [
        f"Install ComfyUI and {order.package.wheel}, and apply the bundle ({size_text(size)})",
        *(["Prove that ComfyUI is kept from the machine's role"] if order.proves_isolation else []),
        "Verify it, render one job on it, and look for secrets",
        f"Make the image, and write its id to {image}{is_first}",
    ]
    steps += [f"Delete the image {image_id}" for image_id in deletes]
    steps.append(f"End the machine. In all roughly {span_text(seconds)}")
    return tuple(steps)
