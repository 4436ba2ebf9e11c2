"""What neither the simulator nor an emulator does truly is refused by name."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from lab.lab import Lab
from lab.server import PRETENDED

REQUIRED: dict[str, dict[str, Any]] = {
    "RequestSpotFleet": {"SpotFleetRequestConfig": {"IamFleetRole": "r", "TargetCapacity": 1}},
    "CreateFleet": {
        "LaunchTemplateConfigs": [],
        "TargetCapacitySpecification": {"TotalTargetCapacity": 1},
    },
    "RequestSpotInstances": {},
    "SendDiagnosticInterrupt": {"InstanceId": "i-0123456789abcdef0"},
    "StartAutomationExecution": {"DocumentName": "AWS-RunShellScript"},
    "StartSession": {"Target": "i-0123456789abcdef0"},
    "CreateAssociation": {"Name": "AWS-RunShellScript"},
}


def test_what_moto_only_pretends_to_do_is_refused(lab: Lab) -> None:
    for name in sorted(PRETENDED):
        service, action = name.split(":")
        method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_")
        with pytest.raises(ClientError, match="NotSimulated"):
            getattr(lab.client(service), method)(**REQUIRED[action])


def test_what_the_lab_does_not_do_is_refused_by_name(lab: Lab, group: str) -> None:
    with pytest.raises(ClientError, match=r"NotSimulated.*autoscaling:PutWarmPool"):
        lab.client("autoscaling").put_warm_pool(AutoScalingGroupName=group)
    with pytest.raises(ClientError, match=r"NotSimulated.*autoscaling:RollbackInstanceRefresh"):
        lab.client("autoscaling").rollback_instance_refresh(AutoScalingGroupName=group)
