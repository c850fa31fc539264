"""No more is allowed than a rate says, whoever counts, and whatever there is to count."""

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from feedsvc.web.access.rate_limit import Limits, Rate
from tests.shelves import Hands


@given(
    number=st.integers(1, 20),
    seconds=st.integers(1, 3600),
    pauses=st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=80),
)
def test_no_period_has_more_than_twice_the_rate_and_all_of_them_no_more_than_it(
    number: int, seconds: int, pauses: list[float]
) -> None:
    clock, rate = Hands(), Rate(number, seconds)
    limits = Limits(None, clock)
    taken: list[float] = []
    for pause in pauses:
        clock.at += pause
        if limits.take("full", "a", rate) == 0:
            taken.append(clock.at)
    # A burst of a whole period at once, and then as the rate allows: a token bucket of that size.
    for place, at in enumerate(taken):
        within = sum(1 for other in taken[: place + 1] if other > at - seconds)
        assert within <= 2 * number
    assert len(taken) <= number + (clock.at - 1_000.0) * number / seconds + 1e-6


@given(number=st.integers(1, 50), seconds=st.integers(1, 86_400))
def test_who_waits_as_long_as_told_is_let_in(number: int, seconds: int) -> None:
    clock, rate = Hands(), Rate(number, seconds)
    limits = Limits(None, clock)
    assert [limits.take("full", "a", rate) for _ in range(number)] == [0] * number
    wait = limits.take("full", "a", rate)
    assert 1 <= wait <= seconds
    assert limits.wait("full", "a", rate) == wait
    clock.at += wait
    assert limits.take("full", "a", rate) == 0


def test_keys_do_not_count_for_each_other() -> None:
    limits, rate = Limits(None, Hands()), Rate(1, 60)
    assert limits.take("full", "a", rate) == 0
    assert limits.take("full", "b", rate) == 0
    assert limits.take("wrong", "a", rate) == 0
    assert limits.take("full", "a", rate) > 0


def test_more_keys_than_there_is_room_for_are_no_error() -> None:
    clock = Hands()
    limits, rate = Limits(None, clock), Rate(1, 60)
    for number in range(70_000):
        clock.at += 0.01
        limits.take("full", str(number), rate)
    assert limits.take("full", "69999", rate) > 0


def test_workers_count_together(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from feedsvc.web.access.rate_limit import Limits, Rate;"
        "limits = Limits(pathlib.Path(sys.argv[1]));"
        "print(sum(limits.take('full', 'a', Rate(100, 3600)) == 0 for _ in range(90)))"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    allowed = sum(int(worker.communicate(timeout=30)[0]) for worker in workers)
    # The clock goes on meanwhile: one more is allowed every 36 seconds.
    assert 100 <= allowed <= 101
    assert os.stat(tmp_path / "limits").st_mode & 0o077 == 0
