"""One fleet for the tests of a file: each says first how many machines it wants, and leaves them in good order."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from lab.lab import Lab
from lab.runbook.site import serving, settings_of
from pydantic import SecretStr
from tests.lab.breaks.disk import broken_disk, good_disk
from tests.lab.breaks.stage import GROUP, STAGE, make_group, make_store, task_of
from tests.lab.breaks.world import Plane, World

from comfyfleet import names
from comfyfleet.client.connection import Connection
from comfyfleet.cloud.local.network import free_port
from comfyfleet.cloud.local.postgres import EmbeddedPostgres
from comfyfleet.ops.tools import Cloud
from comfyfleet.ops.wiring import aws_cloud

SPEED: Final = 10
_QUICK: Final = {
    "LEASE_MINIMUM_SECONDS": "12",
    "WORKER_LOST_SECONDS": "12",
    "MAINTENANCE_INTERVAL_SECONDS": "0.5",
    "ATTENTION_OLDEST_SECONDS": "60",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The lab, a control plane on a Postgres of its own, and a group without machines."""
    folder = tmp_path_factory.mktemp("world")
    gates, port = folder / "gates", free_port()
    good = good_disk(folder / "good", gates)
    broken = broken_disk(folder / "broken", good)
    with (
        Lab(folder / "lab", base=good, speed=SPEED) as lab,
        pytest.MonkeyPatch.context() as patch,
        EmbeddedPostgres(folder / "postgres", durable=False) as postgres,
    ):
        for name, value in lab.environment().items():
            patch.setenv(name, value)
        make_store(lab)
        settings = {**settings_of(lab, task_of(lab), postgres.url, folder), **_QUICK}
        with (
            serving(settings, port, folder) as site,
            Plane(Connection(url=site.url, api_key=SecretStr(site.key))) as plane,
        ):
            made = World(lab, _cloud(lab), plane, gates, lab.base_image_id, lab.register_image("broken", broken))
            make_group(lab, made.cloud, made.good, site.url)
            made.furnish()
            made.cloud.groups.set_capacity(GROUP, 2)  # so many most tests want: they boot while the first one begins
            yield made


def _cloud(lab: Lab) -> Cloud:
    """AWS as operators' verbs see it, whose waits are as long as the lab's time says."""
    return replace(
        aws_cloud(STAGE, lab.region, names.DEFAULT_PREFIX),
        now=lab.clock.now,
        sleep=lambda seconds: time.sleep(seconds / SPEED),
    )
