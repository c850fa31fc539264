"""The reference of the fault runs finds what it is there for: each promise, broken once, and kept once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.e2e.faults.history import History
from tests.e2e.faults.pollers import Read, Validators
from tests.e2e.faults.reference import Change, Reference, Sighting, Version
from tests.e2e.faults.timeline import Timeline

PATH = "/feeds/all.rss"


def able(since: float, until: float) -> float:
    return max(0.0, until - since)


def changed(reference: Reference, *changes: tuple[Version, float]) -> None:
    """A story `a1` of versions acknowledged at those instants, each sent a moment earlier."""
    story = reference.add("a1", is_file=False)
    for version, at in changes:
        story.changes.append(Change(version, at - 0.1, at))


def seen(number: int, at: float, name: str = "a1") -> Sighting:
    return Sighting("serve web", PATH, at, at + 0.1, {(name, number)})


@pytest.mark.parametrize(
    ("changes", "number", "at", "broken"),
    [
        ([(Version(1), 10.0)], 1, 500.0, ""),
        ([(Version(1), 10.0)], 2, 500.0, "never asked for"),
        ([(Version(1), 10.0), (Version(2, "withdrawn"), 20.0)], 1, 24.9, ""),
        ([(Version(1), 10.0), (Version(2, "withdrawn"), 20.0)], 1, 25.2, "gone within 5 s"),
        ([(Version(1), 10.0), (Version(2, "withdrawn"), 20.0)], 2, 20.5, "held back"),
        ([(Version(1), 10.0), (Version(2, "draft"), 20.0), (Version(3), 21.0)], 1, 25.2, "gone within 5 s"),
        ([(Version(1), 10.0), (Version(2, "draft"), 20.0), (Version(3), 21.0)], 3, 25.2, ""),
        ([(Version(1), 10.0), (Version(2, embargo=90.0), 20.0)], 1, 25.2, "gone within 5 s"),
        ([(Version(1, embargo=90.0), 20.0)], 1, 89.0, "embargo"),
        ([(Version(1, embargo=90.0), 20.0)], 1, 91.0, ""),
        ([(Version(1, expires=90.0), 20.0)], 1, 96.0, ""),
        ([(Version(1, expires=90.0), 20.0)], 1, 98.0, "expiry"),
        ([(Version(1), 10.0), (Version(2), 20.0)], 1, 34.0, ""),
        ([(Version(1), 10.0), (Version(2), 20.0)], 1, 36.0, "within 15 s"),
    ],
)
def test_response_is_held_to_the_changes_that_may_be_in_force(
    changes: list[tuple[Version, float]], number: int, at: float, broken: str
) -> None:
    reference = Reference()
    changed(reference, *changes)
    found = reference.judge(seen(number, at), able)
    assert bool(found) == bool(broken)
    assert all(broken in one.promise for one in found)


def test_change_that_was_not_acknowledged_may_be_seen_or_not() -> None:
    reference = Reference()
    changed(reference, (Version(1), 10.0))
    reference.stories["a1"].changes.append(Change(Version(2, "withdrawn"), 20.0))
    assert not reference.judge(seen(1, 500.0), able)
    assert reference.pending() == ["a1"]


def test_two_versions_of_one_story_in_one_feed_are_found() -> None:
    reference = Reference()
    changed(reference, (Version(1), 10.0), (Version(2), 11.0))
    (found,) = reference.judge(seen(1, 12.0)._replace(stories={("a1", 1), ("a1", 2)}), able)
    assert "twice" in found.promise


def test_time_counts_only_while_all_that_is_needed_is_up() -> None:
    timeline = Timeline()
    groups = [["database"], ["worker0", "worker1"], ["web0"]]
    for part, since, until in (
        ("database", 10.0, 20.0),
        ("worker0", 15.0, 40.0),  # the other goes on, but for five seconds
        ("worker1", 30.0, 35.0),
        ("web1", 0.0, 100.0),
    ):
        down = timeline.down(part)
        down.since, down.until = since, until
    assert timeline.able(groups, 0.0, 50.0) == 50.0 - 10.0 - 5.0
    assert timeline.able(groups, 12.0, 18.0) == 0.0
    assert timeline.able(groups, 40.0, 50.0) == 10.0
    timeline.note_speed(42.0, 0.5)
    timeline.note_speed(46.0, 1.0)
    assert timeline.able(groups, 40.0, 50.0) == 2.0 + 2.0 + 4.0
    assert timeline.able(groups, 44.0, 45.0) == 0.5
    assert timeline.up(groups, 12.0, 50.0) == 50.0 - 20.0 - 5.0


def test_what_is_lost_with_a_store_is_expected_no_more() -> None:
    reference = Reference()
    changed(reference, (Version(1), 10.0))
    assert reference.expected(20.0) == {"a1": 1}
    reference.lose_pushed()
    assert reference.expected(20.0) == {}
    assert reference.is_lost("a1")
    change = reference.send("a1", Version(2))
    reference.acknowledge(change)
    assert reference.expected(20.0) == {"a1": 2}
    assert not reference.is_lost("a1")


READ = Read(PATH, "", 100.0, 100.1, '"a"', 50.0, "digest a")


@pytest.mark.parametrize(
    ("later", "broken"),
    [
        ({"sent": 200.0}, ""),
        ({"sent": 200.0, "digest": "digest b"}, "one ETag"),
        ({"sent": 200.0, "modified": 51.0}, "same bytes stays"),
        ({"sent": 200.0, "etag": '"b"', "digest": "digest b"}, "dated later"),
        ({"sent": 200.0, "etag": '"b"', "digest": "digest b", "modified": 51.0}, ""),
        ({"sent": 200.0, "etag": '"b"', "digest": "digest b", "modified": 49.0}, "goes back"),
        ({"sent": 101.0, "etag": '"b"', "digest": "digest b", "modified": 49.0}, ""),  # by a worker behind
        ({"sent": 200.0, "etag": '"b"', "digest": "digest b", "modified": None}, ""),
    ],
)
def test_validators_are_held_to_what_was_seen_before(
    tmp_path: Path, later: dict[str, Any], broken: str
) -> None:
    history = History(tmp_path / "history.txt", "1")
    run: Any = SimpleNamespace(history=history, epoch=0, able=lambda _node, since, until: until - since)
    validators = Validators(run)
    validators.note(READ, "serve web", 0)
    validators.note(READ._replace(**later), "serve web", 0)
    promises = [name.removeprefix("BROKEN ") for name in history.counts]
    assert len(promises) == bool(broken)
    assert all(broken in one for one in promises)
