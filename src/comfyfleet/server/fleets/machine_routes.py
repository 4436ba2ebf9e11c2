"""What the cloud says of fleets' machines, over HTTP."""

from fastapi import APIRouter

from comfyfleet.core.errors import Unavailable
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.fleets import AlarmView, FleetMachinesView, MemberView
from comfyfleet.server.auth.dependencies import Viewer, WiringDep
from comfyfleet.server.fleets import machines
from comfyfleet.server.fleets.machines import FleetMachines
from comfyfleet.server.fleets.service import find

router = APIRouter(prefix="/api/fleets/{stage}/{slug}/machines", tags=["fleets"])


class NoCloud(Unavailable):
    """This control plane's fleets are in no cloud."""

    code = "no_cloud"


@router.get("")
async def show_machines(stage: str, slug: str, _viewer: Viewer, wiring: WiringDep) -> Envelope[FleetMachinesView]:
    """Ask the cloud for a fleet's group, image and alarms."""
    async with wiring.sessions.begin() as session:
        fleet = await find(session, stage, slug)
    found = await machines.look(wiring, fleet)
    if found is None:
        raise NoCloud("The fleets of this control plane are in no cloud.", hint="It needs CLOUD=aws.")
    return Envelope(data=view(found))


def view(found: FleetMachines) -> FleetMachinesView:
    """Return what was found as a wire model."""
    group = found.group
    return FleetMachinesView(
        group=found.group_name,
        exists=group is not None,
        minimum=group.minimum if group else None,
        maximum=group.maximum if group else None,
        desired=group.desired if group else None,
        members=[
            MemberView(
                instance_id=one.instance_id,
                lifecycle=one.lifecycle,
                health=one.health,
                is_protected=one.is_protected,
                instance_type=one.instance_type,
            )
            for one in (group.members if group else ())
        ],
        image_parameter=found.image_parameter,
        image=found.image,
        alarms=[AlarmView(name=one.name, state=one.state, changed_at=one.changed_at) for one in found.alarms],
        at=found.at,
        problem=found.problem,
    )
