"""`ParameterStore` on this disk and on Systems Manager."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.ports.cloud.sites import DISK, LAB, MEMORY, MOTO, Site, on

from comfyfleet import names
from comfyfleet.cloud.aws.parameters import SsmParameters
from comfyfleet.cloud.fleet_ports import ParameterKind
from comfyfleet.core.parameters import ParameterInvalid

everywhere = on(DISK, MEMORY, MOTO, LAB)


@everywhere
def test_one_that_is_not_there_is_none(site: Site, stage: str) -> None:
    assert site.cloud.parameters.get(names.fleet_secret_parameter(stage)) is None


@everywhere
def test_what_was_written_is_read(site: Site, stage: str) -> None:
    name = names.active_bundle_parameter(stage, "gpu-default")
    now = site.cloud.now() if site.target is MEMORY else datetime.now(UTC)
    site.cloud.parameters.put(name, names.NO_BUNDLE)
    found = site.cloud.parameters.get(name)
    assert found is not None
    assert (found.name, found.value, found.version) == (name, "none", 1)
    assert abs(now - found.modified_at) < timedelta(minutes=5)


@everywhere
def test_writing_again_takes_its_place_with_a_higher_version(site: Site, stage: str) -> None:
    name = names.models_bucket_parameter(stage)
    for value in ("first", "second"):
        site.cloud.parameters.put(name, value)
    found = site.cloud.parameters.get(name)
    assert found is not None
    assert (found.value, found.version) == ("second", 2)


@everywhere
def test_a_secret_is_read_in_the_clear_and_not_shown(site: Site, stage: str) -> None:
    name = names.fleet_secret_parameter(stage)
    site.cloud.parameters.put(name, "very secret words", kind=ParameterKind.SECRET)
    found = site.cloud.parameters.get(name)
    assert found is not None
    assert found.value == "very secret words"
    assert "very secret words" not in repr(found)


@everywhere
def test_those_below_a_path_come_by_name(site: Site, stage: str) -> None:
    slugs = [f"gpu-{number:02}" for number in range(12)]  # more than a page of Systems Manager
    for slug in reversed(slugs):
        site.cloud.parameters.put(names.active_bundle_parameter(stage, slug), slug)
    site.cloud.parameters.put(f"/bp/{stage}x/fleets/other", "of another stage")
    assert [one.value for one in site.cloud.parameters.below(f"/bp/{stage}/fleets")] == slugs


@everywhere
def test_removing_one_twice_is_no_error(site: Site, stage: str) -> None:
    name = names.app_key_parameter(stage)
    site.cloud.parameters.put(name, "a key")
    for _ in range(2):
        site.cloud.parameters.delete(name)
    assert site.cloud.parameters.get(name) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("no/path", "x"), ("/bp/with space", "x"), ("/bp/x", ""), ("/bp/x", "x" * 4097), ("/" + "x" * 1100, "x")],
    ids=["no path", "space", "empty", "too long", "long name"],
)
@everywhere
def test_what_is_no_parameter_is_refused(site: Site, name: str, value: str) -> None:
    with pytest.raises(ParameterInvalid):
        site.cloud.parameters.put(name, value)


@on(DISK, MEMORY, LAB)
def test_a_parameter_of_an_image_that_is_not_there_is_refused(site: Site, stage: str) -> None:
    parameters, name = site.cloud.parameters, names.image_parameter(stage, "gpu-default")
    if site.target is LAB:
        parameters = SsmParameters(site.client("ssm"), sleep=lambda _: None)
    with pytest.raises(ParameterInvalid):
        parameters.put(name, "ami-0123456789abcdef0", kind=ParameterKind.IMAGE)
    assert parameters.get(name) is None


@on(MEMORY, MOTO, LAB)
def test_a_parameter_of_an_image_is_written(site: Site, stage: str) -> None:
    name = names.image_parameter(stage, "gpu-default")
    site.cloud.parameters.put(name, site.image_id, kind=ParameterKind.IMAGE)
    found = site.cloud.parameters.get(name)
    assert found is not None
    assert found.value == site.image_id


@on(MOTO, LAB)
def test_an_existing_parameter_keeps_its_type_and_one_of_an_image_has_that_of_its_data(site: Site, stage: str) -> None:
    secret, image = names.fleet_secret_parameter(stage), names.image_parameter(stage, "gpu-default")
    site.cloud.parameters.put(secret, "the first", kind=ParameterKind.SECRET)
    site.cloud.parameters.put(secret, "the second")
    site.cloud.parameters.put(image, site.image_id, kind=ParameterKind.IMAGE)
    filters = [{"Key": "Name", "Values": [secret, image]}]
    described = site.client("ssm").describe_parameters(ParameterFilters=filters)["Parameters"]
    found = {one["Name"]: (one["Type"], one["DataType"]) for one in described}
    assert found == {secret: ("SecureString", "text"), image: ("String", "aws:ec2:image")}
