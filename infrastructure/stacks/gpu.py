"""The machines: for each fleet a launch template, a group, its alarms, and what brings it back to zero."""

from aws_cdk import Environment, Stack
from constructs import Construct

from infrastructure.parts.fleet import Fleet
from infrastructure.stacks.data import DataStack
from infrastructure.stages import Stage


class GpuStack(Stack):
    """`bp-<stage>-gpu`."""

    def __init__(
        self, scope: Construct, construct_id: str, stage: Stage, data: DataStack, site_url: str, *, env: Environment
    ) -> None:
        super().__init__(scope, construct_id, env=env)
        self.fleets = [Fleet(self, f"Fleet-{fleet.slug}", stage, fleet, data, site_url) for fleet in stage.fleets]
