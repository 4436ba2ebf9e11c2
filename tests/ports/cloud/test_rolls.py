"""`Rolls` on Auto Scaling, whose instance refreshes moto does not have."""

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber
from tests.ports.cloud.sites import LAB, MEMORY, Site, on

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.rolls import InstanceRefreshes
from comfyfleet.cloud.errors import GroupNotFound, RollRunning
from comfyfleet.cloud.fleet_ports import RollChoices, RollStatus

everywhere = on(MEMORY, LAB)


def state(site: Site, group: str, roll_id: str) -> tuple[RollStatus, int]:
    found = site.cloud.rolls.look(group, roll_id)
    assert found is not None
    return found.status, found.percent


def ids(site: Site, group: str) -> set[str]:
    return {one.instance_id for one in site.group(group).members}


@everywhere
def test_a_roll_waits_at_its_checkpoint_and_replaces_all(site: Site, group: str) -> None:
    rolls, old = site.cloud.rolls, set(site.grow(group, 2))
    choices = RollChoices(warmup_seconds=60, checkpoints=(50, 100), checkpoint_seconds=1200)
    roll_id = rolls.start(group, choices)
    with pytest.raises(RollRunning):
        rolls.start(group, RollChoices())
    site.until(lambda: state(site, group, roll_id) == (RollStatus.RUNNING, 50))
    site.forward(900)
    assert state(site, group, roll_id) == (RollStatus.RUNNING, 50)
    assert len(ids(site, group) & old) == 1
    site.until(lambda: state(site, group, roll_id) == (RollStatus.SUCCEEDED, 100))
    assert len(ids(site, group)) == 2
    assert not ids(site, group) & old


@everywhere
def test_a_cancelled_roll_ends_and_another_may_begin(site: Site, group: str) -> None:
    rolls, _ = site.cloud.rolls, site.grow(group, 1)
    first = rolls.start(group, RollChoices())
    rolls.cancel(group)
    site.until(lambda: state(site, group, first)[0] is RollStatus.CANCELED)
    rolls.cancel(group)
    second = rolls.start(group, RollChoices(warmup_seconds=0))
    site.until(lambda: state(site, group, second)[0] is RollStatus.SUCCEEDED)
    last = rolls.look(group)
    assert last is not None
    assert last.roll_id == second


@everywhere
def test_a_protected_machine_is_replaced_too(site: Site, group: str) -> None:
    (old,) = site.grow(group, 1)
    site.cloud.groups.protect(group, old, is_protected=True)
    roll_id = site.cloud.rolls.start(group, RollChoices(warmup_seconds=0))
    site.until(lambda: state(site, group, roll_id)[0] is RollStatus.SUCCEEDED)
    assert old not in ids(site, group)


@everywhere
def test_machines_that_are_as_they_should_be_may_stay(site: Site, group: str) -> None:
    before = set(site.grow(group, 1))
    roll_id = site.cloud.rolls.start(group, RollChoices(warmup_seconds=0, skip_matching=True))
    site.until(lambda: state(site, group, roll_id)[0] is RollStatus.SUCCEEDED)
    assert ids(site, group) == before


@everywhere
def test_a_group_that_never_rolled_has_no_roll_and_one_that_is_not_there_cannot(site: Site, group: str) -> None:
    assert site.cloud.rolls.look(group) is None
    site.cloud.rolls.cancel(group)
    with pytest.raises(GroupNotFound):
        site.cloud.rolls.start("asg-nothing", RollChoices())


@pytest.mark.usefixtures("aws")
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


@pytest.mark.usefixtures("aws")
def test_a_roll_that_goes_back_is_told_though_neither_moto_nor_the_lab_goes_back() -> None:
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
        roll = InstanceRefreshes(client).look("asg-a")
    assert roll is not None
    assert (roll.status, roll.percent, roll.to_update) == (RollStatus.ROLLING_BACK, 20, 4)
    assert (roll.reason, roll.started_at) == ("The canary failed.", started)
