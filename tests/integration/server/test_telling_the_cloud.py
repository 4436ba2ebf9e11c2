"""What fleets are told and what is told of them: pointers in parameters, figures for alarms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.bundle_library import FLEET_PATH, BundleLibrary
from tests.support.control_plane import ControlPlane
from tests.support.simple_worker import SimpleWorker, lease_of

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Alarm, Parameter, ParameterKind
from comfyfleet.core.errors import Unavailable
from comfyfleet.core.jobs import SPOT_INTERRUPTION
from comfyfleet.names import Metric
from comfyfleet.server.maintenance import tell_once

PARAMETER = names.active_bundle_parameter("local", "gpu-default")
HOURS = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=4))
DIMENSIONS = {names.FLEET_DIMENSION: "gpu-default"}


class CloudAway(Unavailable):
    """The cloud does not answer."""

    code = "cloud_away"


@dataclass
class AwayCloud:
    """A cloud that does not answer, in the place of parameters and of figures."""

    asked: list[str] = field(default_factory=list)

    def get(self, name: str) -> Parameter | None:
        raise self._error(name)

    def below(self, prefix: str) -> list[Parameter]:
        raise self._error(prefix)

    def put(self, name: str, value: Any, *more: Any, kind: ParameterKind = ParameterKind.TEXT) -> None:
        raise self._error(name)

    def delete(self, name: str) -> None:
        raise self._error(name)

    def series(self, *_: Any) -> list[tuple[datetime, float]]:
        raise self._error("series")

    def alarms(self, _: Any) -> list[Alarm]:
        raise self._error("alarms")

    def _error(self, what: str) -> CloudAway:
        self.asked.append(what)
        return CloudAway("The cloud does not answer.", hint="Try again later.")


@pytest.fixture
def library(control_plane: ControlPlane) -> BundleLibrary:
    return BundleLibrary(control_plane)


async def bundle_of(library: BundleLibrary, name: str) -> str:
    """Make a bundle and activate it; return its prefix."""
    await library.asset(f"{name}.safetensors")
    bundle = await library.create(name, f"{name}.safetensors")
    await library.data("PUT", f"{FLEET_PATH}/bundle", {"bundle": name})
    return str(bundle["prefix"])


def told(control_plane: ControlPlane) -> str | None:
    """Return what machines read."""
    found = control_plane.wiring.parameters.get(PARAMETER)
    return None if found is None else found.value


def figure(control_plane: ControlPlane, metric: Metric) -> list[float]:
    """Return what was told of a figure."""
    series = control_plane.wiring.figures.series(names.METRICS_NAMESPACE, DIMENSIONS, metric, *HOURS, 1)
    return [value for _, value in series]


async def sample(control_plane: ControlPlane) -> None:
    """Let ten seconds pass, take a sample and tell it."""
    control_plane.clock.forward(seconds=11)
    await control_plane.look_after()
    await tell_once(control_plane.wiring)


async def test_machines_are_told_to_which_bundle_their_fleet_points(
    control_plane: ControlPlane, library: BundleLibrary
) -> None:
    await tell_once(control_plane.wiring)
    assert told(control_plane) == names.NO_BUNDLE
    prefix = await bundle_of(library, "paint")
    await tell_once(control_plane.wiring)
    assert told(control_plane) == prefix
    view = await library.data("GET", f"{FLEET_PATH}/pointer")
    assert (view["agrees"], view["wanted"], view["parameter"]) == (True, prefix, PARAMETER)
    await library.data("PUT", f"{FLEET_PATH}/bundle", {"bundle": None})
    await tell_once(control_plane.wiring)
    assert told(control_plane) == names.NO_BUNDLE


async def test_of_two_activations_the_last_one_is_told(control_plane: ControlPlane, library: BundleLibrary) -> None:
    await bundle_of(library, "first")
    last = await bundle_of(library, "second")
    await tell_once(control_plane.wiring)
    assert told(control_plane) == last


async def test_a_pointer_that_could_not_be_written_is_written_later(
    control_plane: ControlPlane, library: BundleLibrary
) -> None:
    parameters = control_plane.wiring.parameters
    control_plane.wiring.parameters = AwayCloud()
    prefix = await bundle_of(library, "paint")
    await tell_once(control_plane.wiring)
    view = await library.data("GET", f"{FLEET_PATH}/pointer")
    assert (view["agrees"], view["found"]) == (False, None)
    assert "does not answer" in view["problem"]
    control_plane.wiring.parameters = parameters
    await tell_once(control_plane.wiring)
    assert told(control_plane) == prefix
    assert (await library.data("GET", f"{FLEET_PATH}/pointer"))["problem"] is None


async def test_a_parameter_that_was_changed_by_hand_is_told_and_mended(
    control_plane: ControlPlane, library: BundleLibrary
) -> None:
    await tell_once(control_plane.wiring)
    control_plane.wiring.parameters.put(PARAMETER, "bundles/by-hand")
    view = await library.data("GET", f"{FLEET_PATH}/pointer")
    assert (view["agrees"], view["found"], view["wanted"]) == (False, "bundles/by-hand", "none")
    assert (await library.data("POST", f"{FLEET_PATH}/pointer/mend"))["agrees"] is True
    assert told(control_plane) == names.NO_BUNDLE
    assert (await library.audit())[-1] == ("fleet.pointer", "local/gpu-default")


async def test_only_operators_write_pointers(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("acme")
    for method, path in (("GET", "pointer"), ("POST", "pointer/mend")):
        assert (await tenant.call(method, f"{FLEET_PATH}/{path}")).status_code == 403


async def test_each_sample_is_told_once(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("acme")
    await sample(control_plane)
    await tenant.submit("invert-video")
    await sample(control_plane)
    before = len(figure(control_plane, Metric.QUEUE_DEPTH))
    await tell_once(control_plane.wiring)
    assert len(figure(control_plane, Metric.QUEUE_DEPTH)) == before
    assert figure(control_plane, Metric.QUEUE_DEPTH)[-2:] == [0, 1]
    assert figure(control_plane, Metric.BACKLOG_PER_INSTANCE)[-2:] == [0, 1]
    assert figure(control_plane, Metric.OLDEST_JOB_AGE)[-1] >= 10


async def test_figures_that_could_not_be_told_are_told_when_the_cloud_answers_again(
    control_plane: ControlPlane,
) -> None:
    figures = control_plane.wiring.figures
    await sample(control_plane)
    before = len(figures.series(names.METRICS_NAMESPACE, DIMENSIONS, "QueueDepth", *HOURS, 1))
    control_plane.wiring.figures = AwayCloud()
    with pytest.raises(CloudAway):
        await sample(control_plane)
    control_plane.wiring.figures = figures
    await sample(control_plane)
    assert len(figure(control_plane, Metric.QUEUE_DEPTH)) == before + 2


async def test_interruptions_and_lost_leases_are_counted_once(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("acme")
    await sample(control_plane)
    await tenant.submit("invert-video")
    async with SimpleWorker.registered(control_plane.url) as worker:
        leased = await worker.lease()
        await worker.call("requeue", **lease_of(leased), reason=SPOT_INTERRUPTION)
        again = await worker.lease()
        assert again
        control_plane.clock.forward(hours=2)
        await sample(control_plane)
    for metric in (Metric.SPOT_INTERRUPTION_COUNT, Metric.LEASE_EXPIRED_COUNT):
        assert sum(figure(control_plane, metric)) == 1, metric


async def test_other_stages_are_told_by_their_own_control_planes(
    control_plane: ControlPlane, library: BundleLibrary
) -> None:
    await library.data("POST", "/api/fleets", {"stage": "staging", "slug": "gpu-other", "name": "x"})
    await sample(control_plane)
    assert control_plane.wiring.parameters.get(names.active_bundle_parameter("staging", "gpu-other")) is None


def test_figures_have_the_names_of_the_contract() -> None:
    wanted: Mapping[str, Metric] = {metric.value: metric for metric in Metric}
    assert {
        "QueueDepth",
        "BacklogPerInstance",
        "ActiveWorkers",
        "AvailableCapacity",
        "JobProcessingP50",
        "ErrorRate",
        "LeaseExpiredCount",
        "SpotInterruptionCount",
    } <= set(wanted)


async def test_the_fleets_page_says_what_machines_are_told_and_why_not(
    control_plane: ControlPlane, library: BundleLibrary
) -> None:
    async with control_plane.client() as operator:

        async def page() -> str:
            return (await operator.get("/admin/comfyui/fleets/local/gpu-default")).text

        await tell_once(control_plane.wiring)
        assert "Machines are told <code>none</code>" in await page()
        prefix = await bundle_of(library, "paint")
        assert f"Machines will be told <code>{prefix}</code>" in await page()
        parameters = control_plane.wiring.parameters
        control_plane.wiring.parameters = AwayCloud()
        await tell_once(control_plane.wiring)
        assert "does not answer" in await page()
        assert "Tell them again" in await page()
        control_plane.wiring.parameters = parameters
        await tell_once(control_plane.wiring)
        assert f"Machines are told <code>{prefix}</code>" in await page()
