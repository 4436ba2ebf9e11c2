"""Bars: which measurement is held against which limit."""

from dataclasses import replace

import pytest
from benchmarks.apply.bars import MIB, Figures, bars, figures, ratios
from benchmarks.apply.contenders import Name
from benchmarks.apply.measure import Usage
from benchmarks.apply.rounds import Again
from benchmarks.bars import Bar

GOOD = Again(
    same=(Usage(0.3, 0.2, 50 * MIB), Usage(0.4, 0.2, 50 * MIB), Usage(9.0, 0.2, 50 * MIB)),
    same_bytes=0,
    shared=Usage(1.0, 1.0, 100 * MIB),
    shared_bytes=10,
    shared_total=100,
)


def took(wall: float, cpu: float = 1.0, peak_mib: float = 60) -> Figures:
    return figures([Usage(wall, cpu, int(peak_mib * MIB))])


FOUND = {
    Name.OURS: took(4.0, 3.0),
    Name.S5CMD_VERIFIED: took(8.0, 3.5),
    Name.RCLONE_VERIFIED: took(5.0, 5.0),
    Name.S5CMD: took(4.0),
    Name.AWS_SERIAL: took(100.0),
    Name.DIRECT: took(2.0),
}


def test_figures_are_medians_and_extremes() -> None:
    found = figures([Usage(3, 5, 1 * MIB), Usage(1, 9, 4 * MIB), Usage(2, 7, 2 * MIB)])
    assert found == Figures(wall=2, wall_min=1, wall_max=3, cpu=7, peak_mib=4, runs=3)


def test_the_best_verified_peer_is_the_fastest() -> None:
    found = ratios(FOUND)
    assert found["wall_to_best_verified"] == pytest.approx(0.8)
    assert found["cpu_to_best_verified"] == pytest.approx(0.6)
    assert found["cpu_to_thriftiest_verified"] == pytest.approx(3 / 3.5)


def test_all_bars_can_hold() -> None:
    assert all(bar.holds for bar in bars(FOUND, GOOD).values())


@pytest.mark.parametrize(
    ("name", "slower"),
    [
        ("wall_to_best_verified", {Name.RCLONE_VERIFIED: took(4.4, 5.0)}),
        ("wall_to_s5cmd", {Name.S5CMD: took(3.9)}),
        ("wall_to_aws_serial", {Name.AWS_SERIAL: took(11.0)}),
        ("wall_to_direct_write", {Name.DIRECT: took(1.9)}),
        ("cpu_to_best_verified", {Name.OURS: took(4.0, 3.8)}),
        ("peak_mib", {Name.OURS: took(4.0, 3.0, peak_mib=128)}),
    ],
)
def test_a_bar_falls_alone(name: str, slower: dict[Name, Figures]) -> None:
    assert [label for label, bar in bars(FOUND | slower, GOOD).items() if not bar.holds] == [name]


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("again_seconds", replace(GOOD, same=(Usage(0.5, 0.2, MIB),))),
        ("again_object_bytes", replace(GOOD, same_bytes=1)),
        ("shared_fetched", replace(GOOD, shared_bytes=11)),
        ("peak_mib", replace(GOOD, shared=Usage(1.0, 1.0, 128 * MIB))),
    ],
)
def test_what_is_applied_again_has_bars_too(name: str, again: Again) -> None:
    assert [label for label, bar in bars(FOUND, again).items() if not bar.holds] == [name]


def test_a_bar_that_was_not_measured_does_not_hold() -> None:
    assert not any(bar.holds for bar in bars({}, None).values())
    assert not Bar(1.0, None).holds
