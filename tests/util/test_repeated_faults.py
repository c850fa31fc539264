"""What fails again and again is logged once, with a count."""

import json
from typing import Any

import pytest

from feedsvc.util.repeated_faults import Faults
from tests.shelves import Hands


class Log:
    """What was logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    warning = error = info


def test_fault_is_logged_once_for_each_reason_and_at_its_end() -> None:
    log, clock = Log(), Hands()
    faults = Faults(log, clock)
    for _ in range(50):
        for reason in ("the disk is full", "it may only be read"):
            faults.failed("write", "not_written", reason, answers=3)
            clock.at += 1
    assert [event for event, _ in log.events] == ["not_written"] * 2
    assert log.events[0][1] == {"reason": "the disk is full", "answers": 3}
    faults.over("write")
    assert log.events[2:] == [
        ("fault_over", {"fault": "not_written", "what": "write", "times": 100, "seconds": 100.0})
    ]
    clock.at += 60
    faults.failed("write", "not_written", "the disk is full")
    assert len(log.events) == 4, "it is another one"


def test_fault_that_comes_and_goes_is_one() -> None:
    log, clock = Log(), Hands()
    faults = Faults(log, clock)
    for _ in range(100):
        assert faults.failed("write", "not_written", "the disk is full") == 1
        faults.over("write")
        clock.at += 1
    assert len(log.events) == 1


def test_fault_that_lasts_is_logged_every_ten_minutes_with_its_count() -> None:
    log, clock = Log(), Hands()
    faults = Faults(log, clock)
    for _ in range(61):
        faults.failed("write", "not_written", "the disk is full")
        clock.at += 30
    assert [fields.get("times") for _, fields in log.events] == [None, 21, 41, 61]


def test_fault_is_tried_again_less_and_less_often() -> None:
    faults = Faults(Log(), Hands())
    assert [faults.failed("a", "e", "r") for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert faults.failed("b", "e", "r") == 1
    faults.over("a")
    assert faults.failed("a", "e", "r") == 1


def test_faults_of_very_many_things_take_no_more_memory_than_a_thousand() -> None:
    log = Log()
    faults = Faults(log, Hands())
    for number in range(5_000):
        faults.failed(f"feed {number}", "feed_expired", "a story in it has expired")
    assert len(log.events) <= 1_001


@pytest.mark.parametrize("reasons", [1, 5_000])
def test_reasons_are_bounded_as_well(reasons: int) -> None:
    log = Log()
    faults = Faults(log, Hands())
    for number in range(5_000):
        faults.failed("write", "not_written", f"reason {number % reasons}")
    assert len(log.events) <= 1_000
    json.dumps(log.events)
