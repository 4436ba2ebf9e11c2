import pytest

from comfyfleet.web.operating import commands
from comfyfleet.web.operating.forms import ApplyForm, BakeForm, LaunchForm, RollForm, StopForm

LABEL = "staging/gpu-default"


def test_what_is_usual_is_left_out_of_commands() -> None:
    assert commands.launch(LaunchForm(), LABEL) == "comfyfleet devnode launch gpu-default --stage staging"
    assert commands.bake(BakeForm(bundle="b"), LABEL) == (
        "comfyfleet fleets bake gpu-default --stage staging --bundle b"
    )
    assert commands.roll(RollForm(workflow="soft"), LABEL).endswith("--stage staging --test-workflow soft --input FILE")


def test_what_is_chosen_is_in_them_as_a_shell_reads_it() -> None:
    form = LaunchForm(hours=2, types="g5.xlarge, p5.48xlarge", cidr="203.0.113.0/24", accepts_range=True)
    assert commands.launch(form, LABEL).endswith(
        "--hours 2 --cidr 203.0.113.0/24 --type g5.xlarge --type p5.48xlarge --yes-i-mean-it"
    )
    assert commands.stop(StopForm(instance_id="i-1 2", keeps_disk=True), LABEL).endswith(
        "'i-1 2' --stage staging --keep-disk"
    )
    assert "--instance i-1 --fleet gpu-default" in commands.apply(ApplyForm(instance_id="i-1", bundle="b"), LABEL)
    assert commands.roll(RollForm(skips_test=True, warmup=0), LABEL).endswith("--no-test --warmup 0")


@pytest.mark.parametrize("values", ["", "{}", '{"a": 1}', {"a": "x"}])
def test_values_of_a_test_come_as_json(values: object) -> None:
    assert isinstance(RollForm.model_validate({"values": values}).values, dict)


@pytest.mark.parametrize("values", ["[]", "{", '{"a": {}}', "x" * 2_000_001])
def test_other_values_are_refused(values: str) -> None:
    with pytest.raises(ValueError, match="values"):
        RollForm.model_validate({"values": values})
