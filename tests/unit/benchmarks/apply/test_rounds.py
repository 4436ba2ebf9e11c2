"""Who runs when."""

from collections import Counter

from benchmarks.apply.contenders import Name
from benchmarks.apply.rounds import turns


def test_each_round_begins_with_another_contender_and_has_all() -> None:
    names = [Name.OURS, Name.S5CMD, Name.DIRECT]
    rounds = turns(names, runs=4, serial_runs=4)
    assert [order[0] for order in rounds] == [Name.OURS, Name.S5CMD, Name.DIRECT, Name.OURS]
    assert all(sorted(order) == sorted(names) for order in rounds)


def test_the_serial_copy_can_take_part_in_fewer_rounds() -> None:
    rounds = turns(list(Name), runs=5, serial_runs=2)
    counted = Counter(name for order in rounds for name in order)
    assert counted[Name.AWS_SERIAL] == 2
    assert {count for name, count in counted.items() if name is not Name.AWS_SERIAL} == {5}
