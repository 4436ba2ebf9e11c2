"""Where pages hand in verbs: planned for them, begun once, and looked after until this process ends."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from comfyfleet import __version__
from comfyfleet.core.errors import Conflict, Unavailable
from comfyfleet.ops.bake.package import Package, build_package, newest_wheel
from comfyfleet.ops.tools import Cloud
from comfyfleet.protocol.workflows import NewTestRun
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.fleets.service import label
from comfyfleet.server.jobs.testing import check_test
from comfyfleet.server.models import Fleet, Operation
from comfyfleet.server.operations import service
from comfyfleet.server.operations.service import NewOperation
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.operating.bench import OwnBench
from comfyfleet.web.operating.forms import VerbForm
from comfyfleet.web.operating.run import Run
from comfyfleet.web.operating.verbs import Place, Prepared, Verb

_GRACE_SECONDS: Final = 20

Clouds = Callable[[str], Cloud]
"""Gives the cloud of a stage; may ask the cloud itself, and so is called in threads."""


class PagesDoNotOperate(Unavailable):
    """This control plane carries out no verbs on machines."""

    code = "pages_do_not_operate"


class PlanChanged(Conflict):
    """What would be done now is not what was agreed to."""

    code = "plan_changed"


class Desk:
    """Takes verbs. Without `clouds` it only says that it does not."""

    def __init__(self, wiring: Wiring, clouds: Clouds | None) -> None:
        self._wiring = wiring
        self._clouds = clouds
        self._runs: dict[int, tuple[Run, asyncio.Task[None]]] = {}

    @property
    def is_open(self) -> bool:
        """Whether verbs are carried out here."""
        return self._clouds is not None

    async def prepare(self, verb: Verb, form: VerbForm, fleet: Fleet, operator: Principal) -> Prepared:
        """Plan a verb; raise what its plan raises."""
        prepared, _ = await self._prepare(verb, form, fleet, operator)
        return prepared

    async def begin(
        self, verb: Verb, form: VerbForm, fleet: Fleet, operator: Principal, token: UUID, digest: str
    ) -> Operation:
        """Carry out a verb whose plan somebody has agreed to; the same token again is the same operation.

        Raises:
            PlanChanged: The plan is another one now.
            Invalid: Its test could not be run.
            OperationRunning: Something runs that must not run beside it.
        """
        async with self._wiring.sessions.begin() as session:
            begun = await service.begun_with(session, token)
        if begun is not None:
            return begun
        prepared, cloud = await self._prepare(verb, form, fleet, operator)
        if prepared.missing is not None:
            raise prepared.missing
        if prepared.digest != digest:
            raise PlanChanged("Something has changed since this plan was shown.", hint="Look at the plan again.")
        if prepared.test is not None:
            workflow, values = prepared.test
            await check_test(self._wiring, operator, workflow, NewTestRun(fleet=label(fleet), values=values))
        new = NewOperation(
            token=token,
            kind=verb.kind,
            lock=prepared.lock,
            title=prepared.plan.title,
            steps=prepared.plan.steps,
            warnings=prepared.plan.warnings,
            subject=label(fleet),
        )
        async with self._wiring.sessions.begin() as session:
            operation, is_new = await service.begin(session, operator, fleet, new, self._wiring.clock())
        if is_new:
            self._start(operation, prepared, cloud, operator)
        return operation

    async def close(self) -> None:
        """Ask all that runs to end and to clear up, and note what could not in time."""
        for run, _ in self._runs.values():
            run.stop.ask()
        tasks = [task for _, task in self._runs.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
        for run, task in list(self._runs.values()):
            task.cancel()
            await run.abandon()

    async def _prepare(self, verb: Verb, form: VerbForm, fleet: Fleet, operator: Principal) -> tuple[Prepared, Cloud]:
        if self._clouds is None:
            raise PagesDoNotOperate(
                "This control plane carries out no verbs on machines.",
                hint="Set CLOUD=aws and PAGES_OPERATE=true, or use the command line.",
            )
        return await asyncio.to_thread(self._plan, self._clouds, verb, form, fleet, operator)

    def _plan(
        self, clouds: Clouds, verb: Verb, form: VerbForm, fleet: Fleet, operator: Principal
    ) -> tuple[Prepared, Cloud]:
        settings = self._wiring.settings
        cloud = clouds(fleet.stage)
        place = Place(
            stage=fleet.stage,
            fleet=fleet.slug,
            actor=operator.actor,
            cloud=cloud,
            package=_packages(settings.machine_package) if settings.machine_package else None,
            revision=settings.revision or __version__,
        )
        return verb.prepare(form, place), cloud

    def _start(self, operation: Operation, prepared: Prepared, cloud: Cloud, operator: Principal) -> None:
        bench = OwnBench(self._wiring, operator, asyncio.get_running_loop())
        run = Run(self._wiring, operation, prepared, cloud, bench)
        task = asyncio.create_task(run.follow(), name=f"operation {operation.id}")
        self._runs[operation.id] = (run, task)
        task.add_done_callback(lambda _: self._runs.pop(operation.id, None))


def _packages(folder: Path) -> Callable[[], Package]:
    """Return how a package is made of a folder with `machine/`, a wheel and `worker.txt`."""
    return lambda: build_package(folder / "machine", newest_wheel(folder), folder / "worker.txt")
