"""What `stages.toml` may say."""

from pathlib import Path

import pytest
from infrastructure.app import build, make_app
from infrastructure.stages import StageInvalid, StageUnknown, read_stage

from comfyfleet import names

FLEETS = '[[trial.fleets]]\nslug = "gpu"\ninstance_types = ["g5.xlarge"]\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "stages.toml"
    path.write_text(text)
    return path


def test_a_stage_whose_account_is_not_known_is_refused_in_words() -> None:
    with pytest.raises(StageInvalid, match="account of stage 'staging'"):
        build(make_app(), read_stage("staging"))


@pytest.mark.parametrize("name", ["staging", "production"])
def test_the_stages_that_we_ship_are_right(name: str) -> None:
    stage = read_stage(name, "111122223333")
    assert (stage.name, stage.prefix, stage.is_production) == (name, names.DEFAULT_PREFIX, name == "production")
    assert stage.fleets[0].slug == names.DEFAULT_FLEET
    assert stage.fleets[0].idle_minutes == 15


def test_an_unknown_stage_names_those_that_there_are() -> None:
    with pytest.raises(StageUnknown, match="staging, production"):
        read_stage("nothing")


def test_a_stage_may_name_its_account(tmp_path: Path) -> None:
    path = write(tmp_path, f'[trial]\nregion = "eu-central-1"\naccount = "999988887777"\n{FLEETS}')
    assert read_stage("trial", "111122223333", path).account == "999988887777"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f'[trial]\nregion = "somewhere"\n{FLEETS}', "REGION"),
        ('[trial]\nregion = "eu-central-1"\n', "FLEETS"),
        (f'[trial]\nregion = "eu-central-1"\ncolour = "red"\n{FLEETS}', "COLOUR"),
        (f'[trial]\nregion = "eu-central-1"\nsite_origin = "http://a.example"\n{FLEETS}', "SITE_ORIGIN"),
        (f'[trial]\nregion = "eu-central-1"\n{FLEETS}maximum = 0\n', "FLEETS.0.MAXIMUM"),
    ],
    ids=["region", "no fleet", "unknown setting", "no https", "maximum"],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(StageInvalid, match=named):
        read_stage("trial", None, write(tmp_path, text))
