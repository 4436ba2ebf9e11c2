from comfyfleet.worker.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(1, 8)
    pauses = [backoff.next_seconds() for _ in range(6)]
    assert all(whole / 2 <= pause <= whole for pause, whole in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True))


def test_a_success_makes_pauses_short_again() -> None:
    backoff = Backoff(1, 8)
    for _ in range(4):
        backoff.next_seconds()
    backoff.reset()
    assert backoff.next_seconds() <= 1


def test_two_workers_do_not_pause_alike() -> None:
    assert len({Backoff(1, 8).next_seconds() for _ in range(20)}) > 1
