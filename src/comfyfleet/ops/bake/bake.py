"""Carries out a bake. The fleet's parameter is written last; whatever fails, the machine ends."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import ImageState, ParameterKind
from comfyfleet.ops.bake import scripts
from comfyfleet.ops.bake.package import Package
from comfyfleet.ops.bake.plan import BakePlan, images_in_use
from comfyfleet.ops.errors import StepFailed, TargetInvalid
from comfyfleet.ops.launching import end_launched, ending_on_failure
from comfyfleet.ops.remote import Script, demand
from comfyfleet.ops.tools import Cloud, Reporter
from comfyfleet.ops.waiting import wait_for, wait_reachable, wait_running

_IMAGE_SECONDS: Final = 2 * 3600
_URL_SECONDS: Final = 3600


@dataclass(frozen=True)
class BakeReceipt:
    """What was baked: the image, which image the parameter held before, and what was deleted."""

    image_id: str
    image_name: str
    previous_image_id: str | None
    parameter: str
    bundle_id: str
    comfyui_version: str
    is_isolation_proven: bool
    deleted: tuple[str, ...]


def apply(plan: BakePlan, cloud: Cloud, reporter: Reporter) -> BakeReceipt:
    """Bake the image and point the fleet's parameter to it.

    Raises:
        NoCapacity: None of the types can be had now.
        StepFailed: A step failed on the machine, or the image did; the parameter is as it was, if it held an image.
        WaitTimedOut: Something did not come about in time; the same holds.
    """
    for instance_id in plan.leftovers:
        reporter.step(f"Ending {instance_id}, left by an earlier bake")
        cloud.machines.terminate(instance_id)
    parameter = names.image_parameter(plan.stage, plan.fleet_slug, prefix=cloud.prefix)
    if plan.is_parameter_empty and plan.machine is not None:
        reporter.step(f"Writing the base image {plan.machine.image_id} to {parameter}")
        cloud.parameters.put(parameter, plan.machine.image_id, kind=ParameterKind.IMAGE)
    with _machine(plan, cloud, reporter) as instance_id:
        version = _prove(plan, cloud, reporter, instance_id)
        image_id = _image(plan, cloud, reporter, instance_id, version)
    before = cloud.parameters.get(parameter)
    reporter.step(f"Writing {image_id} to {parameter}")
    cloud.parameters.put(parameter, image_id, kind=ParameterKind.IMAGE)
    return BakeReceipt(
        image_id=image_id,
        image_name=plan.image_name,
        previous_image_id=before.value if before else None,
        parameter=parameter,
        bundle_id=plan.bundle_id,
        comfyui_version=version,
        is_isolation_proven=plan.proves_isolation,
        deleted=_delete_surplus(plan, cloud, reporter, before.value if before else None),
    )


@contextlib.contextmanager
def _machine(plan: BakePlan, cloud: Cloud, reporter: Reporter) -> Iterator[str]:
    if plan.machine is None:
        raise TargetInvalid("The plan has no machine.", hint="Make it anew.")
    reporter.step("Launching the machine")
    with ending_on_failure(cloud, reporter, plan.machine, plan.token) as machine:
        reporter.step(f"Waiting for {machine.instance_id} ({machine.instance_type})")
        wait_running(cloud, machine.instance_id)
        wait_reachable(cloud, machine.instance_id)
        yield machine.instance_id
    end_launched(cloud, reporter, plan.token)


def _prove(plan: BakePlan, cloud: Cloud, reporter: Reporter, instance_id: str) -> str:
    """Provision the machine and test it; return the version of its ComfyUI."""
    log_prefix = names.sync_log_prefix(plan.stage, instance_id)

    def do(stage: scripts.Stage) -> str:
        reporter.step(stage.name[0].upper() + stage.name[1:])
        script = Script(instance_id, stage.text, f"bake: {stage.name}", stage.timeout_seconds, log_prefix)
        return demand(cloud, reporter, script).output

    package = _sent(plan, cloud, reporter)
    do(scripts.install(_package_url(plan, cloud, package), package.sha256, package.wheel))
    do(scripts.apply_bundle(plan.models_bucket, plan.bundle_id))
    do(scripts.start_comfyui())
    if plan.proves_isolation:
        do(scripts.prove_isolation())
    do(scripts.verify())
    version = _version(do(scripts.render()))
    do(scripts.clean())
    do(scripts.find_secrets())
    return version


def _sent(plan: BakePlan, cloud: Cloud, reporter: Reporter) -> Package:
    if plan.package is None:
        raise TargetInvalid("The plan has no package.", hint="Make it anew.")
    reporter.step(f"Sending {plan.package.wheel}")
    store = cloud.bucket(plan.models_bucket)
    key = names.package_key(plan.package.sha256)
    store.write(key, plan.package.content, content_type="application/gzip", create_only=True)
    return plan.package


def _package_url(plan: BakePlan, cloud: Cloud, package: Package) -> str:
    store = cloud.bucket(plan.models_bucket)
    return store.sign_get(names.package_key(package.sha256), expires_seconds=_URL_SECONDS).url


def _version(output: str) -> str:
    for line in reversed(output.strip().splitlines()):
        try:
            return str(json.loads(line)["comfyui_version"])
        except (ValueError, KeyError, TypeError):
            continue
    raise StepFailed("The job that was rendered told no version of ComfyUI.", hint="Look at the output above.")


def _image(plan: BakePlan, cloud: Cloud, reporter: Reporter, instance_id: str, version: str) -> str:
    reporter.step(f"Making the image {plan.image_name}")
    tags = {
        **plan.tags,
        names.BUNDLE_TAG: plan.bundle_id,
        names.COMFYUI_TAG: version,
        names.REVISION_TAG: plan.revision,
        names.LAUNCH_TAG: plan.token,
    }
    try:
        image_id = cloud.images.create(instance_id, plan.image_name, tags)
        _await_image(cloud, image_id)
    except BaseException:
        for image in cloud.images.tagged({names.LAUNCH_TAG: plan.token}):
            reporter.step(f"Deleting the image {image.image_id}, which is not whole")
            cloud.images.delete(image.image_id)
        raise
    return image_id


def _await_image(cloud: Cloud, image_id: str) -> None:
    def ask() -> bool | None:
        image = cloud.images.find(image_id)
        if image is not None and image.state is ImageState.FAILED:
            raise StepFailed(f"The image {image_id} failed.", hint="EC2's console tells why; then bake again.")
        return (image is not None and image.state is ImageState.AVAILABLE) or None

    wait_for(cloud, f"The image {image_id}", ask, timeout_seconds=_IMAGE_SECONDS, pause_seconds=15)


def _delete_surplus(plan: BakePlan, cloud: Cloud, reporter: Reporter, previous: str | None) -> tuple[str, ...]:
    """Delete what the plan named and nothing needs since; what the parameter held stays to go back to."""
    in_use = images_in_use(cloud) | {previous}
    deleted = [image_id for image_id in plan.deletes if image_id not in in_use]
    for image_id in deleted:
        reporter.step(f"Deleting the image {image_id}")
        cloud.images.delete(image_id)
    return tuple(deleted)
