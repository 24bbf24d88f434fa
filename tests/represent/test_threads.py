from time import sleep

from attar.represent._threads import each


def test_answers_come_in_order_and_few_wait_for_whoever_takes_them():
    given = []
    for place, answer in enumerate(each(lambda item: given.append(item) or item**2, range(2000))):
        assert answer == place**2
        sleep(1e-4)
        if place == 500:
            # A thread per core, and these are fewer than 400.
            assert len(given) < 1500
    assert sorted(given) == list(range(2000))
