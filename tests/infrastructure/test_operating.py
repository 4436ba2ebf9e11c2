"""What the control plane may do with machines: what has its stage's tag, and what it tags as it makes it."""

import json
from typing import Any

from tests.infrastructure.conftest import Assembly

from comfyfleet import names

CHANGES = ("Run", "Terminate", "Stop", "Create", "Delete", "Deregister", "Authorize", "Send", "Put", "Start", "Pass")


def statements_of(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Return the statements of the task's role by their names."""
    policies = assembly.compute.of_type("AWS::IAM::Policy")
    found = [policy for policy in policies if "TaskTaskRole" in json.dumps(policy["Roles"])]
    return {one["Sid"]: one for policy in found for one in policy["PolicyDocument"]["Statement"] if "Sid" in one}


def test_whatever_changes_machines_is_of_the_stage(assembly: Assembly, stage: str) -> None:
    allowed = statements_of(assembly)
    by_tag = {"Launch", "EndOwn", "OpenGate", "UseGate", "Copy", "DropImage", "DropSnapshot", "RunOnOwn"}
    for sid in by_tag:
        [(key, value)] = [
            (key, value)
            for key, value in allowed[sid]["Condition"]["StringEquals"].items()
            if key.endswith("Tag/Stage")
        ]
        assert value == stage, key
    assert set(allowed["EndOwn"]["Condition"]["StringEquals"][f"aws:ResourceTag/{names.ROLE_TAG}"]) == {
        names.DEV_NODE_ROLE,
        names.BAKE_ROLE,
    }
    assert set(allowed["TagMade"]["Condition"]["StringEquals"]["ec2:CreateAction"]) == {
        "RunInstances",
        "CreateImage",
        "CreateSecurityGroup",
    }
    assert f"bp-{stage}-gpu-*" in json.dumps(allowed["GiveRole"]["Resource"])
    assert f"asg-{stage}-gpu-default" in json.dumps(allowed["Roll"]["Resource"])


def test_nothing_that_changes_anything_is_allowed_for_all_resources(assembly: Assembly) -> None:
    open_ones = {
        sid
        for sid, one in statements_of(assembly).items()
        if one["Resource"] == "*" and any(action.split(":")[1].startswith(CHANGES) for action in _actions(one))
    }
    assert open_ones == {"Figures"}  # the namespace is its condition


def test_migrations_may_do_none_of_it(assembly: Assembly) -> None:
    policies = assembly.compute.of_type("AWS::IAM::Policy")
    [migration] = [one for one in policies if "MigrationTaskRole" in json.dumps(one["Roles"])]
    assert "ec2:" not in json.dumps(migration)


def test_the_serving_task_is_told_that_it_may_and_with_what(assembly: Assembly) -> None:
    told = {
        one["Name"]: one["Value"]
        for task in assembly.compute.of_type("AWS::ECS::TaskDefinition")
        for container in task["ContainerDefinitions"]
        if container["Command"][0] == "serve"
        for one in container["Environment"]
    }
    assert (told["PAGES_OPERATE"], told["MACHINE_PACKAGE"]) == ("true", "/opt/comfyfleet")


def _actions(statement: dict[str, Any]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions
