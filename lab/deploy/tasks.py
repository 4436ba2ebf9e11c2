"""What a task's container finds in its environment: plain values, and secrets that are read when it starts.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from lab.deploy.values import Values, ValueUnknown

_PARAMETER: Final = re.compile(r"arn:[^:]+:ssm:[^:]+:\d+:parameter(/.+)")


@dataclass(frozen=True)
class Task:
    """A container's command and environment. `missing` are variables whose values come from what the lab lacks."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    missing: frozenset[str]


def read_task(resources: Mapping[str, dict[str, Any]], verb: str, values: Values) -> Task:
    """Return the task of a template whose command begins with a verb, such as `serve`."""
    tasks = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ECS::TaskDefinition"]
    containers = [container for task in tasks for container in task["ContainerDefinitions"]]
    [found] = [one for one in containers if one["Command"][0] == verb]
    environment: dict[str, str] = {}
    missing = set()
    for name, resolve in _variables(found, values).items():
        try:
            environment[name] = resolve()
        except ValueUnknown:
            missing.add(name)
    return Task(tuple(found["Command"]), environment, frozenset(missing))


def _variables(container: Mapping[str, Any], values: Values) -> dict[str, Callable[[], str]]:
    plain = {one["Name"]: one["Value"] for one in container.get("Environment", [])}
    secret = {one["Name"]: one["ValueFrom"] for one in container.get("Secrets", [])}
    return {
        **{name: partial(_plain, values, value) for name, value in plain.items()},
        **{name: partial(_secret, values, value) for name, value in secret.items()},
    }


def _plain(values: Values, value: Any) -> str:
    return str(values.fill(value))


def _secret(values: Values, source: Any) -> str:
    arn = values.fill(source)
    found = _PARAMETER.fullmatch(arn)
    if found is None:
        raise ValueUnknown(arn)
    return values.read_parameter(found[1])
