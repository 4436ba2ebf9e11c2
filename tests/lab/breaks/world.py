"""A fleet in the lab, all parts of it real, and what tests do to it and ask of it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from lab.lab import Lab
from lab.machines import Machine
from tests.lab.breaks.comfyui import NODE
from tests.lab.breaks.stage import FLEET, GROUP, STAGE
from tests.support.fleet import eventually

from comfyfleet import names
from comfyfleet.client.metrics import MetricsPlane
from comfyfleet.client.tenants import TenantsPlane
from comfyfleet.cloud.fleet_ports import Member
from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.ops.canary import OperatorPlane
from comfyfleet.ops.roll import staying
from comfyfleet.ops.tools import Cloud
from comfyfleet.protocol.api import NewEffect, NewFleet, NewJob, NewWorkflow, PropertyModel
from comfyfleet.protocol.jobs import JobDetail

SLUG: Final = "wait"
CREDITS: Final = 3
OPEN: Final = "open"
"""A gate that is never shut."""

_HEARTBEAT: Final = "HEARTBEAT_INTERVAL_SECONDS"
SECONDS: Final = 240.0
"""How long a test waits for what ought to take a few; a machine that is busy with other tests is slow."""

_GRAPH: Final[dict[str, Any]] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 255}},
    "2": {"class_type": NODE, "inputs": {"image": ["1", 0], "gate": OPEN}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "waited"}},
}


class Plane(OperatorPlane, TenantsPlane, MetricsPlane):
    """All that an operator asks for here."""


@dataclass
class World:
    """The fleet. `good` and `broken` are images; of the second, no ComfyUI starts."""

    lab: Lab
    cloud: Cloud
    plane: Plane
    gates: Path
    good: str
    broken: str
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def furnish(self) -> None:
        """Make the fleet, and an effect whose jobs wait for their gates."""
        self.open(OPEN)
        self.plane.create_fleet(NewFleet(slug=FLEET, stage=STAGE))
        gate = PropertyModel.model_validate(
            {"key": "gate", "type": "text", "required": True, "node_id": "2", "input_name": "gate"}
        )
        new = {"name": SLUG, "slug": SLUG, "graph": _GRAPH, "output_node_id": "3", "properties": [gate]}
        self.plane.create_workflow(
            NewWorkflow.model_validate({**new, "output_extension": "png", "output_mime_type": "image/png"})
        )
        self.plane.assign_workflows(STAGE, FLEET, [SLUG])
        self.plane.create_effect(NewEffect(name=SLUG, slug=SLUG, workflow=SLUG, credits_cost=CREDITS))

    def enqueue(self, gate: str | None = None) -> int:
        """Enqueue a job that waits for its gate, which is named after the job unless it is given; return its id."""
        name = gate or f"gate-{next(self._numbers)}"
        return self.plane.submit(NewJob(effect=SLUG, values={"gate": name}), str(uuid4())).id

    def open(self, gate: str) -> None:
        """Let jobs through."""
        self.gates.mkdir(exist_ok=True)
        (self.gates / gate).touch()

    def let_through(self, *job_ids: int) -> None:
        """Open the gates of jobs."""
        for job_id in job_ids:
            self.open(str(self.plane.job(job_id).values["gate"]))

    def job(self, job_id: int) -> JobDetail:
        """Return all that an operator sees of a job."""
        return self.plane.inspect_job(job_id)

    def holder(self, job_id: int, *, other_than: str = "") -> str:
        """Wait until a machine is in the middle of a job; return which."""

        def look() -> str | None:
            job = self.job(job_id)
            is_running = job.status is JobStatus.PROCESSING and job.progress > 0
            return job.worker_id if is_running and job.worker_id != other_than else None

        return eventually(look, SECONDS)

    def completed(self, job_id: int) -> JobDetail:
        """Wait until a job is completed, and see that it was paid for once; nothing of it stays reserved."""
        job = eventually(lambda: found if (found := self.job(job_id)).status.is_final else None, SECONDS)
        assert job.status is JobStatus.COMPLETED, job
        assert self.charges(job_id) == [("reserve", CREDITS), ("consume", CREDITS)]
        return job

    def charges(self, job_id: int) -> list[tuple[str, int]]:
        """Return what the ledger says of a job, oldest first."""
        entries = self.plane.ledger(self._tenant, limit=200).items
        return [(one.kind.value, one.amount) for one in reversed(entries) if one.job_id == job_id]

    def check_nothing_is_reserved(self) -> None:
        """See that no credits wait for a job any more."""
        assert self.plane.me().balance.reserved == 0

    def tries(self, job_id: int) -> list[tuple[str, JobEvent | None, str]]:
        """Return who had a job, how each try ended, and what was said of it."""
        return [(one.worker_id, one.end, one.detail) for one in self.job(job_id).attempts]

    def members(self) -> list[Member]:
        """Return the group's machines that are to stay."""
        group = self.cloud.groups.find(GROUP)
        assert group is not None
        return staying(group)

    def machine(self, instance_id: str) -> Machine:
        """Return a machine that runs."""
        return self.lab.machines.running[instance_id]

    def settle(self, size: int) -> list[str]:
        """Bring the group to a number of machines, whose workers are the only ones, and idle; return their ids."""
        self.cloud.groups.set_capacity(GROUP, size)

        def look() -> list[str] | None:
            group = self.cloud.groups.find(GROUP)
            members = group.members if group else ()
            ids = sorted(one.instance_id for one in members if one.lifecycle == "InService")
            active = self.active()
            return ids if len(ids) == len(members) == size and ids == active else None

        eventually(lambda: (look() or ["none"]) if size == 0 else look(), SECONDS)
        return sorted(one.instance_id for one in self.members())

    def active(self) -> list[str]:
        """Return the workers that take jobs."""
        return sorted(one.worker_id for one in self.plane.workers(statuses=[WorkerStatus.ACTIVE]).items)

    def run(self, instance_id: str, script: str) -> str:
        """Run a script on a machine, as an operator does by Run Command; return what it printed."""
        command_id = self.cloud.commands.run(
            instance_id, script, comment="", timeout_seconds=300, log_prefix=names.sync_log_prefix(STAGE, instance_id)
        )

        def look() -> str | None:
            run = self.cloud.commands.look(command_id, instance_id)
            assert not run.status.is_over or run.exit_code == 0, run
            return f"{run.output} " if run.status.is_over else None

        return eventually(look, SECONDS)

    def boot(self, instance_id: str) -> None:
        """Do once more what a machine does at every start."""
        self.run(instance_id, "/opt/worker/bin/boot.sh")

    def lengthen_leases(self, instance_id: str) -> None:
        """Let a machine promise so few signs of life that no lease of it runs out while it starts anew."""
        self.run(instance_id, f"sed -i s/^{_HEARTBEAT}=.*/{_HEARTBEAT}=60/ /opt/worker/boot.env")
        before = self.plane.worker(instance_id).registered_at
        self.boot(instance_id)
        eventually(lambda: self.plane.worker(instance_id).registered_at > before, SECONDS)

    def journal(self, instance_id: str, unit: str = names.WORKER_SERVICE) -> str:
        """Return what a service of a machine printed."""
        path = self.machine(instance_id).root / "var/log/journal" / f"{unit}.log"
        return path.read_text() if path.exists() else ""

    def told(self, instance_id: str) -> str:
        """Return what the page of a worker, and `workers log`, show of its log."""
        return "\n".join(line.text for line in self.plane.worker_log(instance_id, limit=200))

    def boots(self, instance_id: str) -> int:
        """Return how often a machine's boot came to its end."""
        return (self.machine(instance_id).root / names.ASSET_SYNC_LOG[1:]).read_text().count("the worker were started")

    def counted(self, metric: names.Metric) -> float:
        """Return the sum of what the cloud was told of the fleet until now."""
        now = datetime.now(UTC)
        stat = {
            "Metric": {
                "Namespace": names.METRICS_NAMESPACE,
                "MetricName": metric.value,
                "Dimensions": [{"Name": names.FLEET_DIMENSION, "Value": FLEET}],
            },
            "Period": 86_400,
            "Stat": "Sum",
        }
        found = self.lab.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "all", "MetricStat": stat}], StartTime=now - timedelta(days=1), EndTime=now
        )
        return float(sum(found["MetricDataResults"][0]["Values"]))

    def attention(self) -> Sequence[str]:
        """Return what needs attention, in words."""
        return [one.words for one in self.plane.attention()]

    @property
    def _tenant(self) -> str:
        return self.plane.tenants().items[0].slug
