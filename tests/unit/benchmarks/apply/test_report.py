"""The table and the line of JSON."""

import json

from benchmarks.apply.bars import figures
from benchmarks.apply.contenders import Name
from benchmarks.apply.measure import Usage
from benchmarks.apply.report import json_line, table
from benchmarks.bars import Bar, bars_table

FOUND = {Name.DIRECT: figures([Usage(2.0, 0.5, 2**20)]), Name.OURS: figures([Usage(1.0, 0.5, 2**20)])}


def test_the_fastest_comes_first() -> None:
    lines = table(FOUND).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["comfyfleet", "direct-write"]


def test_a_bar_that_does_not_hold_is_seen() -> None:
    assert "DOES NOT HOLD" in bars_table({"wall": Bar(1.0, 1.1)})
    assert "DOES NOT HOLD" not in bars_table({"wall": Bar(1.0, 1.0)})


def test_the_json_is_one_line_with_the_agreed_keys() -> None:
    line = json_line(5, FOUND, None, {"wall": 0.5}, {"wall": Bar(1.0, 0.5), "none": Bar(1.0, None)})
    assert "\n" not in line
    document = json.loads(line)
    assert set(document) == {"bench", "runs", "figures", "ratios", "bars"}
    assert document["bars"]["wall"] == {"limit": 1.0, "measured": 0.5, "holds": True}
    assert document["bars"]["none"] == {"limit": 1.0, "measured": None, "holds": False}
