"""The share of on-demand machines in a group."""

from typing import Any


def set_share(scaling: Any, group: dict[str, Any], percent: int) -> None:
    """Let `percent` of a group's machines be on-demand ones. `group` is as `describe_auto_scaling_groups` tells it.

    The whole policy is sent back, so that nothing of it depends on what an update leaves as it is.
    """
    policy = dict(group["MixedInstancesPolicy"])
    policy["InstancesDistribution"] = policy["InstancesDistribution"] | {"OnDemandPercentageAboveBaseCapacity": percent}
    template = policy["LaunchTemplate"]
    named = template["LaunchTemplateSpecification"]
    policy["LaunchTemplate"] = template | {
        "LaunchTemplateSpecification": {  # a request names a template by id or by name, an answer has both
            "LaunchTemplateId": named["LaunchTemplateId"],
            "Version": named["Version"],
        }
    }
    scaling.update_auto_scaling_group(AutoScalingGroupName=group["AutoScalingGroupName"], MixedInstancesPolicy=policy)
