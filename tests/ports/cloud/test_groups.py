"""`Groups` and `Rolls` on Auto Scaling, of which moto keeps the records: it honours no hook and refreshes nothing."""

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.groups import AutoScalingGroups
from comfyfleet.cloud.aws.rolls import InstanceRefreshes
from comfyfleet.cloud.errors import CapacityInvalid, GroupNotFound, RollRunning
from comfyfleet.cloud.fleet_ports import RollChoices, RollStatus

pytestmark = pytest.mark.usefixtures("aws")
HOOK = {"AutoScalingGroupName": "asg-a", "LifecycleHookName": "drain", "InstanceId": "i-1"}


def test_a_group_tells_its_bounds_and_members(group: str) -> None:
    found = AutoScalingGroups().find(group)
    assert found is not None
    assert (found.minimum, found.maximum, found.desired, len(found.members)) == (0, 3, 2, 2)
    assert {member.lifecycle for member in found.members} == {"InService"}
    assert {member.is_protected for member in found.members} == {False}


def test_a_group_that_is_not_there_is_none() -> None:
    assert AutoScalingGroups().find("asg-nothing") is None


def test_a_machine_knows_its_group(group: str) -> None:
    groups = AutoScalingGroups()
    found = groups.find(group)
    assert found is not None
    assert groups.group_of(found.members[0].instance_id) == group
    assert groups.group_of("i-0123456789abcdef0") is None


def test_the_capacity_is_set_within_the_bounds_only(group: str) -> None:
    groups = AutoScalingGroups()
    groups.set_capacity(group, 0)
    found = groups.find(group)
    assert found is not None
    assert (found.desired, found.members) == (0, ())
    with pytest.raises(CapacityInvalid, match="4 machines"):
        groups.set_capacity(group, 4)
    with pytest.raises(GroupNotFound):
        groups.set_capacity("asg-nothing", 1)


def test_one_machine_is_protected_and_let_go(group: str) -> None:
    groups = AutoScalingGroups()
    before = groups.find(group)
    assert before is not None
    first = before.members[0].instance_id
    for is_protected in (True, False):
        groups.protect(group, first, is_protected=is_protected)
        found = groups.find(group)
        assert found is not None
        assert {one.instance_id: one.is_protected for one in found.members}[first] is is_protected


def test_a_waiting_machine_is_let_go_on_by_the_call_that_moto_only_pretends_to_honour() -> None:
    client = make_client("autoscaling")
    with Stubber(client) as stub:
        stub.add_response("complete_lifecycle_action", {}, {**HOOK, "LifecycleActionResult": "CONTINUE"})
        AutoScalingGroups(client).finish_hook("asg-a", "drain", "i-1")
        stub.add_response("record_lifecycle_action_heartbeat", {}, HOOK)
        AutoScalingGroups(client).extend_hook("asg-a", "drain", "i-1")
        stub.assert_no_pending_responses()


def test_a_machine_that_does_not_wait_in_a_hook_is_no_error() -> None:
    client = make_client("autoscaling")
    words = "No active Lifecycle Action found with instance ID i-1"
    with Stubber(client) as stub:
        stub.add_client_error("complete_lifecycle_action", "ValidationError", words, 400)
        AutoScalingGroups(client).finish_hook("asg-a", "drain", "i-1")
        stub.assert_no_pending_responses()


def test_a_roll_asks_for_what_was_chosen_of_an_api_that_moto_lacks() -> None:
    client = make_client("autoscaling")
    wanted = {
        "AutoScalingGroupName": "asg-a",
        "Strategy": "Rolling",
        "Preferences": {
            "MinHealthyPercentage": 90,
            "InstanceWarmup": 300,
            "SkipMatching": False,
            "ScaleInProtectedInstances": "Refresh",
            "CheckpointPercentages": [20, 100],
            "CheckpointDelay": 600,
        },
    }
    with Stubber(client) as stub:
        stub.add_response("start_instance_refresh", {"InstanceRefreshId": "refresh-1"}, wanted)
        assert InstanceRefreshes(client).start("asg-a", RollChoices(checkpoints=(20, 100))) == "refresh-1"


def test_a_second_roll_is_a_conflict() -> None:
    client = make_client("autoscaling")
    with Stubber(client) as stub:
        stub.add_client_error("start_instance_refresh", "InstanceRefreshInProgress", "An instance refresh runs.", 400)
        with pytest.raises(RollRunning):
            InstanceRefreshes(client).start("asg-a", RollChoices())


def test_a_roll_tells_how_far_it_is() -> None:
    client = make_client("autoscaling")
    started = datetime(2026, 2, 20, tzinfo=UTC)
    answer = {
        "InstanceRefreshId": "refresh-1",
        "Status": "RollbackInProgress",
        "StatusReason": "The canary failed.",
        "PercentageComplete": 20,
        "InstancesToUpdate": 4,
        "StartTime": started,
    }
    with Stubber(client) as stub:
        stub.add_response("describe_instance_refreshes", {"InstanceRefreshes": [answer]})
        stub.add_response("describe_instance_refreshes", {"InstanceRefreshes": []})
        roll = InstanceRefreshes(client).look("asg-a")
        assert roll is not None
        assert (roll.status, roll.percent, roll.to_update) == (RollStatus.ROLLING_BACK, 20, 4)
        assert (roll.reason, roll.started_at) == ("The canary failed.", started)
        assert InstanceRefreshes(client).look("asg-a") is None


def test_cancelling_where_nothing_rolls_is_no_error() -> None:
    client = make_client("autoscaling")
    with Stubber(client) as stub:
        stub.add_client_error("cancel_instance_refresh", "ActiveInstanceRefreshNotFound", "None.", 400)
        InstanceRefreshes(client).cancel("asg-a")
        stub.assert_no_pending_responses()
