"""Processes that die are replaced; those that never come up are not started over and over."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from feedsvc.util.child_processes import Child, Generation, Generations, Signals

pytestmark = pytest.mark.slow


def starting(work: str, started: list[Child]) -> Callable[[], Child]:
    def start() -> Child:
        started.append(Child(f"tests.dying:{work}", lambda ready: str(ready).encode(), []))
        return started[-1]

    return start


def end(generation: Generation, patience: float) -> None:
    generation.tell_to_end(patience)
    generation.end()


def test_process_that_never_comes_up_is_started_less_often_after_ten_deaths() -> None:
    started: list[Child] = []
    generation = Generation(starting("at_once", started), 1)
    until = time.monotonic() + 30
    while len(started) < 11:
        assert time.monotonic() < until
        generation.tend()
        time.sleep(0.005)
    began = time.monotonic()
    while len(started) < 13:
        generation.tend()
        time.sleep(0.005)
    assert time.monotonic() - began > 1.9
    end(generation, 5)


def test_process_that_never_comes_up_beside_one_that_serves_is_started_less_often() -> None:
    started: list[Child] = []
    works = iter(["serving"])
    generation = Generation(lambda: starting(next(works, "at_once"), started)(), 2)
    until = time.monotonic() + 60
    while len(started) < 12 or not started[0].is_ready:
        assert time.monotonic() < until
        generation.tend()
        time.sleep(0.005)
    began = time.monotonic()
    while len(started) < 14:
        generation.tend()
        time.sleep(0.005)
    assert time.monotonic() - began > 1.9
    end(generation, 5)


def test_those_that_still_end_and_those_that_serve_have_their_own_deadlines() -> None:
    started: list[Child] = []
    generations = Generations(2)
    for _ in range(2):
        generation = Generation(starting("deaf", started), 1)
        assert generation.await_ready(20)
        generations.succeed(generation)
    began = time.monotonic()
    generations.end()
    assert time.monotonic() - began < 4, "not one after the other"
    assert [child.code for child in started] == [-signal.SIGKILL] * 2


def test_signals_that_come_while_something_is_done_are_not_lost() -> None:
    signals = Signals()
    before = signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGUSR2)
    signals.note(signal.SIGUSR1, signal.SIGUSR2)
    try:
        assert signals.taken() == set()
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        assert signals.taken(1) == {signal.SIGUSR1, signal.SIGUSR2}
        assert signals.taken() == set()
    finally:
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGUSR2, before[1])


def test_process_that_dies_is_replaced_and_no_other() -> None:
    started: list[Child] = []
    generation = Generation(starting("serving", started), 2)
    assert generation.await_ready(20)
    os.kill(started[0].pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while len(started) < 3:
        assert time.monotonic() < until
        generation.tend()
    assert started[1].is_alive
    assert generation.await_ready(20)
    end(generation, 5)
    assert not any(child.is_alive for child in started)


def test_processes_that_do_not_come_up_are_not_waited_for() -> None:
    generation = Generation(starting("at_once", []), 1)
    began = time.monotonic()
    assert not generation.await_ready(60)
    assert time.monotonic() - began < 20
    end(generation, 1)


def test_what_a_terminal_sends_is_not_for_the_children() -> None:
    started: list[Child] = []
    generation = Generation(starting("serving", started), 1)
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(started[0].pid, number)  # while it starts, too
    assert generation.await_ready(20)
    os.kill(started[0].pid, signal.SIGINT)
    time.sleep(0.1)
    assert started[0].is_alive
    end(generation, 5)


def test_process_that_heeds_no_signal_is_killed() -> None:
    started: list[Child] = []
    generation = Generation(starting("deaf", started), 1)
    assert generation.await_ready(20)
    began = time.monotonic()
    end(generation, 0.3)
    assert time.monotonic() - began < 3
    assert started[0].code == -signal.SIGKILL
