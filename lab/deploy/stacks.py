"""A stack in the lab: its resources made in the order of their needs, and a list of those that were left out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from lab.deploy.functions import Function
from lab.deploy.makers import MAKERS, Made
from lab.deploy.tasks import Task, read_task
from lab.deploy.values import Values, ValueUnknown
from lab.errors import NotSimulated
from lab.lab import Lab

_NO_NEED: Final = {
    "AWS::Lambda::Permission": "the lab checks no permissions",
    "AWS::Logs::LogGroup": "the lab keeps no log groups",
}
SITE_ADDRESS: Final = "bp-{stage}-compute:ExportsOutputFnGetAttBalancer71DDC9D9DNSName46B6A117"
"""The export of a stage's load balancer, which the lab lacks: its address has to be given."""

_MINUTES: Final = {"minute": 1, "minutes": 1, "hour": 60, "hours": 60}


@dataclass
class Deployment:
    """Stacks of one lab. `functions` is the folder of the handlers; `given` has values for what is left out.

    `left_out` holds, by stack and logical id, the kind of what was not made, and why: what needs a value of something
    that was left out, and was not given it, is left out, too.
    """

    lab: Lab
    functions: Path
    given: Mapping[str, str] = field(default_factory=dict)
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)
    called: dict[str, Function] = field(default_factory=dict)
    _exports: dict[str, Any] = field(default_factory=dict)

    def deploy(self, path: Path) -> dict[str, Any]:
        """Make what a template describes; return what `Ref` gives for each that was made, by logical id."""
        template, stack = json.loads(path.read_text()), path.name.removesuffix(".template.json")
        values = Values(self._pseudo(stack), self.lab.parameter, self._exports, self.given)
        for logical, resource in _in_order(template["Resources"]):
            made = self._make(logical, resource, values)
            if isinstance(made, str):
                self.left_out[stack, logical] = f"{resource['Type']}: {made}"
                continue
            values.references[logical] = made[0]
            values.attributes |= {(logical, name): value for name, value in made[1].items()}
        self._export(template.get("Outputs", {}), values)
        return values.references

    def task(self, path: Path, verb: str) -> Task:
        """Return what the task of a template whose command begins with a verb finds, if it is started now."""
        template, stack = json.loads(path.read_text()), path.name.removesuffix(".template.json")
        values = Values(self._pseudo(stack), self.lab.parameter, self._exports, self.given)
        return read_task(template["Resources"], verb, values)

    def _make(self, logical: str, resource: dict[str, Any], values: Values) -> Made | str:
        """Make a resource; return why not, where the lab has none of its kind."""
        kind, wanted = resource["Type"], resource.get("Properties", {})
        try:
            if kind in MAKERS:
                return MAKERS[kind](self.lab, logical, _without_tags_of_stack(kind, values.fill(wanted)))
            if kind == "AWS::Lambda::Function":
                return self._function(values.fill({**wanted, "Role": "", "LoggingConfig": {}}))
            if kind == "AWS::Events::Rule":
                return self._rule(logical, values.fill(wanted))
        except ValueUnknown as missing:
            return f"it needs {missing}, which was left out"
        return _NO_NEED.get(kind, "the lab has none")

    def _function(self, wanted: dict[str, Any]) -> Made:
        name = wanted["FunctionName"]
        arn = f"arn:aws:lambda:{self.lab.region}:{self.lab.account}:function:{name}"
        environment = {**self.lab.environment(), **wanted["Environment"]["Variables"]}
        function = self.called[arn] = Function(wanted["Handler"], self.functions, environment, wanted["Timeout"])
        self.lab.on_alarm(arn, lambda alarm: function.call({"alarmData": alarm}))
        return name, {"Arn": arn}

    def _rule(self, logical: str, wanted: dict[str, Any]) -> Made:
        """Call functions at events, or on a schedule."""
        functions = [self.called[target["Arn"]] for target in wanted["Targets"]]
        if "EventPattern" in wanted:
            for function in functions:
                self.lab.on_event(wanted["EventPattern"], function.call)
            return logical, {}
        count, unit = wanted["ScheduleExpression"].removeprefix("rate(").removesuffix(")").split()
        if unit not in _MINUTES:
            raise NotSimulated(f"the schedule {wanted['ScheduleExpression']}")
        pause = timedelta(minutes=int(count) * _MINUTES[unit])
        due = self.lab.clock.now() + pause

        def look(now: datetime) -> None:
            nonlocal due
            if now >= due:
                due = now + pause
                for function in functions:
                    function.call({"source": "aws.events"})

        self.lab.clock.on_step.append(look)
        return logical, {}

    def _export(self, outputs: Mapping[str, Any], values: Values) -> None:
        for output in outputs.values():
            if "Export" not in output:
                continue
            try:
                self._exports[values.fill(output["Export"]["Name"])] = values.fill(output["Value"])
            except ValueUnknown:
                continue  # of what was left out; who needs it is told then

    def _pseudo(self, stack: str) -> dict[str, str]:
        return {
            "AWS::AccountId": self.lab.account,
            "AWS::Region": self.lab.region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack,
        }


def _in_order(resources: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield resources so that each comes after those that it names."""
    waiting = dict(resources)
    while waiting:
        ready = [name for name, one in waiting.items() if not (_needs(one) & waiting.keys()) - {name}]
        if not ready:
            raise ValueError(f"These need each other: {', '.join(waiting)}")
        for name in ready:
            yield name, waiting.pop(name)


def _needs(value: Any) -> set[str]:
    """Return the logical ids that a part of a template names."""
    if isinstance(value, list):
        return set().union(*(_needs(one) for one in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = set().union(*(_needs(one) for one in value.values())) if value else set()
    depends = value.get("DependsOn", [])
    found |= {depends} if isinstance(depends, str) else set(depends)
    if isinstance(value.get("Ref"), str):
        found.add(value["Ref"])
    attribute = value.get("Fn::GetAtt")
    if attribute:
        found.add(attribute.split(".")[0] if isinstance(attribute, str) else attribute[0])
    return found


def _without_tags_of_stack(kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Leave out tags, which the lab's API has for machines and groups only."""
    if kind == "AWS::AutoScaling::AutoScalingGroup":
        return wanted
    return {name: value for name, value in wanted.items() if name != "Tags"}
