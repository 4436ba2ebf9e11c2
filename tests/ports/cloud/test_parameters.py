"""`ParameterStore` on this disk and on Systems Manager."""

from datetime import UTC, datetime, timedelta

import pytest

from comfyfleet import names
from comfyfleet.cloud.aws.parameters import SsmParameters
from comfyfleet.cloud.fleet_ports import ParameterKind, ParameterStore
from comfyfleet.core.parameters import ParameterInvalid


def test_one_that_is_not_there_is_none(parameters: ParameterStore, stage: str) -> None:
    assert parameters.get(names.fleet_secret_parameter(stage)) is None


def test_what_was_written_is_read(parameters: ParameterStore, stage: str) -> None:
    name = names.active_bundle_parameter(stage, "gpu-default")
    parameters.put(name, names.NO_BUNDLE)
    found = parameters.get(name)
    assert found is not None
    assert (found.name, found.value, found.version) == (name, "none", 1)
    assert abs(datetime.now(UTC) - found.modified_at) < timedelta(minutes=5)


def test_writing_again_takes_its_place_with_a_higher_version(parameters: ParameterStore, stage: str) -> None:
    name = names.models_bucket_parameter(stage)
    for value in ("first", "second"):
        parameters.put(name, value)
    found = parameters.get(name)
    assert found is not None
    assert (found.value, found.version) == ("second", 2)


def test_a_secret_is_read_in_the_clear_and_not_shown(parameters: ParameterStore, stage: str) -> None:
    name = names.fleet_secret_parameter(stage)
    parameters.put(name, "very secret words", kind=ParameterKind.SECRET)
    found = parameters.get(name)
    assert found is not None
    assert found.value == "very secret words"
    assert "very secret words" not in repr(found)


def test_those_below_a_path_come_by_name(parameters: ParameterStore, stage: str) -> None:
    slugs = [f"gpu-{number:02}" for number in range(12)]  # more than a page of Systems Manager
    for slug in reversed(slugs):
        parameters.put(names.active_bundle_parameter(stage, slug), slug)
    parameters.put(f"/bp/{stage}x/fleets/other", "of another stage")
    assert [one.value for one in parameters.below(f"/bp/{stage}/fleets")] == slugs


def test_removing_one_twice_is_no_error(parameters: ParameterStore, stage: str) -> None:
    name = names.app_key_parameter(stage)
    parameters.put(name, "a key")
    for _ in range(2):
        parameters.delete(name)
    assert parameters.get(name) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("no/path", "x"), ("/bp/with space", "x"), ("/bp/x", ""), ("/bp/x", "x" * 4097), ("/" + "x" * 1100, "x")],
    ids=["no path", "space", "empty", "too long", "long name"],
)
def test_what_is_no_parameter_is_refused(parameters: ParameterStore, name: str, value: str) -> None:
    with pytest.raises(ParameterInvalid):
        parameters.put(name, value)


@pytest.mark.usefixtures("aws")
def test_an_existing_secret_stays_one(stage: str) -> None:
    parameters = SsmParameters()
    name = names.fleet_secret_parameter(stage)
    parameters.put(name, "the first", kind=ParameterKind.SECRET)
    parameters.put(name, "the second")
    described = parameters._ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])
    assert [one["Type"] for one in described["Parameters"]] == ["SecureString"]
    found = parameters.get(name)
    assert found is not None
    assert found.value == "the second"


def test_the_parameter_of_an_image_has_its_data_type(stage: str, image_id: str) -> None:
    parameters = SsmParameters()
    name = names.image_parameter(stage, "gpu-default")
    parameters.put(name, image_id, kind=ParameterKind.IMAGE)
    described = parameters._ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])
    assert [one["DataType"] for one in described["Parameters"]] == ["aws:ec2:image"]
