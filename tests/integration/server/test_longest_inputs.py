"""How long a video may last: said by its property, told to users, and handed on to the worker."""

from typing import Any

from tests.support.bundle_library import BundleLibrary
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.simple_worker import SimpleWorker

from comfyfleet.up.seed import seed_workflows


def invert_video(**bounds: float) -> dict[str, Any]:
    """Return the seeded workflow with bounds for its video."""
    workflow = next(one for one in seed_workflows() if one.slug == "invert-video").model_dump(mode="json")
    workflow["properties"][0] |= bounds
    return workflow


async def test_a_limit_reaches_users_and_the_worker(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    await BundleLibrary(control_plane).data("PUT", "/api/workflows/invert-video", invert_video(maximum=2.5))
    effect = (await tenant.call("GET", "/api/effects/invert-video")).json()["data"]
    assert effect["configurable_properties"][0]["maximum"] == 2.5
    await tenant.submit("invert-video")
    leased = await worker.lease()
    assert leased["input_payload"]["assets"][0]["max_seconds"] == 2.5


async def test_a_limit_that_makes_no_sense_is_refused(control_plane: ControlPlane) -> None:
    library = BundleLibrary(control_plane)
    for bounds in ({"maximum": 0}, {"maximum": -1}, {"minimum": 1}):
        refusal = await library.refused("PUT", "/api/workflows/invert-video", invert_video(**bounds))
        assert refusal[:2] == (422, "workflow_invalid")
