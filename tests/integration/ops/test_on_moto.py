"""Verbs with AWS's own adapters: what they ask of EC2, SSM and S3 is taken by an emulator of these."""

import shutil
from pathlib import Path

import pytest
from tests.integration.ops.conftest import FLEET, TYPE, Site
from tests.support.clouds.commands import say
from tests.support.clouds.fleet import Recorder

from comfyfleet import names
from comfyfleet.ops import dev_gpu
from comfyfleet.ops.bake import bake
from comfyfleet.ops.bake.package import build_package
from comfyfleet.ops.bake.plan import BakeOrder
from comfyfleet.ops.bake.plan import plan as plan_bake
from comfyfleet.ops.dev_gpu import DevNodeOrder
from comfyfleet.ops.errors import StepFailed

BUNDLE = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
CURL = shutil.which("curl")
# ComfyUI always answers; what is asked of the bucket is asked for real.
FETCH = f'case "$*" in *system_stats*) exit 0;; esac; exec {CURL} "$@"'
INSTALLER = """set -e
printf '#!/bin/sh\\nexit ${APPLY_CODE:-0}\\n' > "$ROOT/opt/comfyui/bin/apply-bundle.sh"
chmod +x "$ROOT/opt/comfyui/bin/apply-bundle.sh"
echo "installed $(cat "$1")"
"""

pytestmark = pytest.mark.skipif(CURL is None, reason="there is no curl, which machines fetch with")


@pytest.fixture
def order(site: Site, tmp_path: Path) -> BakeOrder:
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine" / "install.sh").write_text(INSTALLER)
    wheel = tmp_path / "comfyfleet-1-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    lock = tmp_path / "worker.txt"
    lock.touch()
    site.cloud.bucket(site.bucket).write(names.manifest_key(BUNDLE), b'{"assets": []}', content_type="application/json")
    site.commands.programs |= {
        "curl": FETCH,
        "comfyfleet": say("all as they should be"),
        "python3": say('{"comfyui_version": "0.33.0"}'),
    }
    return BakeOrder(
        stage=site.stage,
        fleet_slug=FLEET,
        bundle=BUNDLE,
        package=build_package(tmp_path / "machine", wheel, lock),
        revision="abc",
        base=site.image_id,
        instance_types=(TYPE,),
        keep=1,
        proves_isolation=False,
    )


def bakes(site: Site) -> list[str]:
    tags = {names.ROLE_TAG: names.BAKE_ROLE, names.STAGE_TAG: site.stage}
    return [machine.instance_id for machine in site.cloud.machines.tagged(tags)]


def test_a_bake_fetches_its_package_from_the_bucket_and_points_the_fleet_to_its_image(
    site: Site, order: BakeOrder
) -> None:
    reporter = Recorder()
    receipt = bake.apply(plan_bake(order, site.cloud), site.cloud, reporter)
    assert "installed a wheel" in reporter.text
    assert site.parameter() == receipt.image_id
    image = site.cloud.images.find(receipt.image_id)
    assert image is not None
    assert {"BundleId": BUNDLE, "GitRevision": "abc", "ComfyUIVersion": "0.33.0"}.items() <= image.tags.items()
    assert bakes(site) == []


def test_of_earlier_images_only_the_one_to_go_back_to_stays(site: Site, order: BakeOrder) -> None:
    made = [bake.apply(plan_bake(order, site.cloud), site.cloud, Recorder()) for _ in range(3)]
    assert made[2].deleted == (made[0].image_id,)
    assert made[2].previous_image_id == made[1].image_id
    assert site.cloud.images.find(made[0].image_id) is None


def test_a_bake_that_fails_leaves_no_machine(site: Site, order: BakeOrder) -> None:
    site.commands.environment["APPLY_CODE"] = "5"
    with pytest.raises(StepFailed):
        bake.apply(plan_bake(order, site.cloud), site.cloud, Recorder())
    assert bakes(site) == []
    assert site.parameter() == site.image_id


def test_a_dev_node_has_a_gate_that_goes_with_it(site: Site) -> None:
    site.commands.programs["curl"] = say()
    order = DevNodeOrder(site.stage, FLEET, "ada", instance_types=(TYPE,), cidr="203.0.113.7/32")
    node = dev_gpu.apply(dev_gpu.plan(order, site.cloud), site.cloud, Recorder())
    assert node.url is not None
    machine = site.cloud.machines.find(node.instance_id)
    assert machine is not None
    gate = machine.tags[names.GATE_TAG]
    assert gate in [one.gate_id for one in site.cloud.gates.tagged({names.ROLE_TAG: names.DEV_NODE_ROLE})]
    receipt = dev_gpu.apply_stop(dev_gpu.plan_stop(node.instance_id, site.cloud), site.cloud, Recorder())
    assert gate in receipt.closed_gates
    assert site.cloud.gates.tagged({names.ROLE_TAG: names.DEV_NODE_ROLE}) == []
    assert node.instance_id not in [one.instance_id for one in dev_gpu.dev_nodes(site.cloud)]
