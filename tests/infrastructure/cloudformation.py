"""Runs ministack with records of what its CloudFormation lacks: `.cache/emulators/bin/python cloudformation.py`.

ministack refuses a whole stack for one resource of a kind that it does not know. Those kinds are kept here as records
with an id, and nothing else of them is there. A kind that is neither known to ministack nor named here is refused.
The first resource of the kind FAILS_ONCE cannot be made, as if a quota were used up.
"""

import importlib
import os
import secrets
import sys
from collections.abc import Callable
from typing import Any

RECORDED = {
    "AWS::EC2::EIP": "eipalloc",
    "AWS::EC2::FlowLog": "fl",
    "AWS::EC2::NatGateway": "nat",
    "AWS::EC2::SecurityGroupEgress": "sgr",
    "AWS::EC2::SecurityGroupIngress": "sgr",
}
"""Kinds of which there are records only, and how their ids begin."""

METRIC_MATH = "AWS::CloudWatch::Alarm"
"""ministack makes alarms of one figure; of one that reckons with several there is a record only."""

Create = Callable[[str, dict[str, Any], str], tuple[str, dict[str, Any]]]


def main() -> None:
    """Add the records and serve, as the program `ministack` does."""
    handlers = importlib.import_module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS
    for kind, beginning in RECORDED.items():
        if kind in handlers:
            raise SystemExit(f"ministack knows {kind} now: take it from the list of records.")
        fails = [kind] if kind == os.environ.get("FAILS_ONCE") else []
        handlers[kind] = {"create": _recording(beginning, fails), "delete": lambda _id, _properties: None}
    handlers[METRIC_MATH]["create"] = _recording_metric_math(handlers[METRIC_MATH]["create"])
    _publish(sys.argv[1:])
    del sys.argv[1:]
    importlib.import_module("ministack.app").main()


def _publish(parameters: list[str]) -> None:
    """Keep parameters that AWS publishes, as `name=value`, which no caller may put."""
    ssm, context = (importlib.import_module(f"ministack.{name}") for name in ("services.ssm", "core.responses"))
    context.set_request_account_id(os.environ["MINISTACK_ACCOUNT_ID"])
    context.set_request_region(os.environ["MINISTACK_REGION"])
    for name, _, value in (one.partition("=") for one in parameters):
        ssm._parameters[name] = {"Name": name, "Value": value, "Type": "String", "Version": 1}


def _recording(beginning: str, fails: list[str]) -> Create:
    def create(_logical_id: str, _properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
        if fails:
            raise ValueError(f"The maximum number of {fails.pop()} has been reached.")
        made = f"{beginning}-{secrets.token_hex(8)}"
        return made, {"AllocationId": made, "NatGatewayId": made, "Id": made}

    return create


def _recording_metric_math(create: Create) -> Create:
    def alarm(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        if "Metrics" not in properties:
            return create(logical_id, properties, stack)
        return properties["AlarmName"], {"Arn": f"arn:aws:cloudwatch:::alarm:{properties['AlarmName']}"}

    return alarm


if __name__ == "__main__":
    main()
