"""Every action of AWS that our code calls, and the test that calls it where it is truly done.

`test_actions` compares the list with the code. A test that is named here fails when it does not call its action. Where
moto is named, it does what AWS does as far as we ask; what it only pretends is done by the lab. Objects are in
SeaweedFS, which checks what it gets.
"""

from typing import Final

BY_FILE: Final[dict[str, dict[str, str]]] = {
    "tests/infrastructure/test_in_the_lab.py": {
        "autoscaling:UpdateAutoScalingGroup": "test_a_fleet_without_spot_machines_takes_others_until_it_rests[staging]",
    },
    "tests/ports/cloud/test_account.py": {
        "sts:GetCallerIdentity": "test_an_account_tells_who_we_are[moto]",
    },
    "tests/ports/cloud/test_commands.py": {
        "ec2:StopInstances": "test_a_machine_that_is_stopped_takes_no_script[lab]",
        "ssm:CancelCommand": "test_a_script_that_is_cancelled_or_takes_too_long_has_no_exit_code[lab]",
        "ssm:DescribeInstanceInformation": "test_a_machine_that_ended_takes_no_script[lab]",
        "ssm:GetCommandInvocation": "test_a_script_runs_on_its_machine_with_its_own_disk[lab]",
        "ssm:SendCommand": "test_a_script_runs_on_its_machine_with_its_own_disk[lab]",
    },
    "tests/ports/cloud/test_figures.py": {
        "cloudwatch:DescribeAlarms": "test_an_alarm_tells_its_state_once_figures_that_were_put_breach_it[lab]",
        "cloudwatch:GetMetricData": "test_what_was_told_comes_back_as_averages_of_its_series[lab]",
        "cloudwatch:PutMetricData": "test_an_alarm_tells_its_state_once_figures_that_were_put_breach_it[lab]",
    },
    "tests/ports/cloud/test_gates.py": {
        "ec2:AuthorizeSecurityGroupIngress": "test_a_gate_lets_one_range_in_to_one_port[moto-ip4]",
        "ec2:CreateSecurityGroup": "test_a_gate_is_made_in_the_network_of_its_subnet[moto]",
        "ec2:DeleteSecurityGroup": "test_a_gate_is_not_closed_before_the_machine_is_gone_that_has_it[lab]",
        "ec2:DescribeSecurityGroups": "test_gates_are_found_by_their_tags_until_they_are_closed[moto]",
        "ec2:DescribeSubnets": "test_a_gate_is_made_in_the_network_of_its_subnet[moto]",
    },
    "tests/ports/cloud/test_groups.py": {
        "autoscaling:CompleteLifecycleAction": "test_a_machine_that_goes_waits_in_its_hook_and_is_let_go[lab]",
        "autoscaling:DescribeAutoScalingGroups": "test_a_group_tells_its_bounds_and_members[lab]",
        "autoscaling:DescribeAutoScalingInstances": "test_a_machine_knows_its_group[lab]",
        "autoscaling:RecordLifecycleActionHeartbeat": "test_a_machine_that_goes_waits_in_its_hook_and_is_let_go[lab]",
        "autoscaling:SetDesiredCapacity": "test_the_capacity_is_set_within_the_bounds_only[lab]",
        "autoscaling:SetInstanceProtection": "test_a_protected_machine_is_not_the_one_that_goes[lab]",
    },
    "tests/ports/cloud/test_images.py": {
        "ec2:CreateImage": "test_an_image_has_what_was_on_the_machine[lab]",
        "ec2:DeleteSnapshot": "test_an_image_takes_its_snapshots_with_it[moto]",
        "ec2:DeregisterImage": "test_an_image_is_made_found_and_removed[moto]",
        "ec2:DescribeImages": "test_an_image_is_made_found_and_removed[moto]",
        "ec2:DescribeLaunchTemplateVersions": "test_an_image_that_a_template_names_by_a_parameter_is_told[lab]",
        "ec2:DescribeLaunchTemplates": "test_an_image_that_a_template_names_is_told[moto]",
    },
    "tests/ports/cloud/test_machines.py": {
        "ec2:DescribeInstances": "test_machines_are_found_by_all_their_tags[moto]",
        "ec2:RunInstances": "test_what_a_machine_is_told_stands_above_its_template_and_runs_there[lab]",
        "ec2:TerminateInstances": "test_what_a_machine_is_told_stands_above_its_template_and_runs_there[lab]",
    },
    "tests/ports/cloud/test_parameters.py": {
        "ssm:DeleteParameter": "test_removing_one_twice_is_no_error[moto]",
        "ssm:GetParameter": "test_a_secret_is_read_in_the_clear_and_not_shown[moto]",
        "ssm:GetParametersByPath": "test_those_below_a_path_come_by_name[moto]",
        "ssm:PutParameter": "test_a_parameter_of_an_image_that_is_not_there_is_refused[lab]",
    },
    "tests/ports/cloud/test_rolls.py": {
        "autoscaling:CancelInstanceRefresh": "test_a_cancelled_roll_ends_and_another_may_begin[lab]",
        "autoscaling:DescribeInstanceRefreshes": "test_a_roll_waits_at_its_checkpoint_and_replaces_all[lab]",
        "autoscaling:StartInstanceRefresh": "test_a_roll_waits_at_its_checkpoint_and_replaces_all[lab]",
    },
    "tests/ports/object_store/test_object_store.py": {
        "s3:DeleteObject": "test_deleting_twice_is_no_error[seaweedfs]",
        "s3:GetObject": "test_create_only_keeps_the_first[seaweedfs]",
        "s3:HeadObject": "test_a_second_write_replaces_the_first[seaweedfs]",
        "s3:PutObject": "test_create_only_keeps_the_first[seaweedfs]",
    },
    "tests/ports/object_store/test_parts.py": {
        "s3:AbortMultipartUpload": "test_an_aborted_upload_is_gone[seaweedfs]",
        "s3:CompleteMultipartUpload": "test_parts_can_be_written_by_ourselves[seaweedfs]",
        "s3:CreateMultipartUpload": "test_parts_can_be_written_by_ourselves[seaweedfs]",
        "s3:ListObjectsV2": "test_objects_are_listed_by_their_beginning[seaweedfs]",
        "s3:ListParts": "test_the_parts_that_are_there_are_known[seaweedfs]",
        "s3:UploadPart": "test_parts_can_be_written_by_ourselves[seaweedfs]",
        "s3:UploadPartCopy": "test_moving_gives_an_object_another_key[seaweedfs]",
    },
}

DONE_IN: Final = {action: f"{file}::{name}" for file, actions in BY_FILE.items() for action, name in actions.items()}
"""The test of each action, by the name that pytest has for it."""

BY_FUNCTIONS: Final = frozenset({"autoscaling:UpdateAutoScalingGroup"})
"""Called by functions of the stacks alone, each a process of its own: their test sees what came of it."""


def must_be_called_by(test: str) -> set[str]:
    """Return the actions that a test has to call."""
    return {action for action, name in DONE_IN.items() if name == test} - BY_FUNCTIONS
