"""A file is read once it is whole and quiet, whatever happens to it and around it, and always in the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedsvc.loading.settling import Kind, Known, Settling, State, Unsettled

SETTLE = 0.5
STATE = State(1, 2, 3)
IN_PLACE = [Kind.CREATED, Kind.TOUCHED, Kind.WRITTEN, Kind.CLOSED]
Happening = tuple[float, str, Kind]
happenings = st.lists(
    st.tuples(
        st.floats(0, 1, allow_nan=False),
        st.sampled_from(["/c/a.md", "/c/b.md", "/c/sub/c.md"]),
        st.sampled_from([kind for kind in Kind if kind is not Kind.LOST]),
    ),
    max_size=12,
)


@pytest.fixture
def settling() -> Settling:
    return Settling(SETTLE)


def happened(settling: Settling, path: str, *kinds: Kind, now: float = 0.0) -> None:
    for kind in kinds:
        settling.note(path, kind, now)


def refuse(settling: Settling, path: str, reason: str, now: float) -> None:
    settling.hold(path, Unsettled(path, STATE, reason), now)  # type: ignore[arg-type]


@given(happenings, st.floats(0, 5))
def test_nothing_written_in_place_is_due_before_it_was_quiet(events: list[Happening], late: float) -> None:
    settling = Settling(SETTLE)
    now = 0.0
    last: dict[str, tuple[float, Kind]] = {}
    placed: set[str] = set()
    for pause, path, kind in events:
        now += pause
        settling.note(path, kind, now)
        last[path] = now, kind
        is_harmless = kind in {Kind.TOUCHED, Kind.CLOSED} and path in placed
        (placed.add if kind is Kind.PLACED or is_harmless else placed.discard)(path)
    now += late
    for path in settling.take(now):
        at, kind = last[path]
        assert path in placed or kind in {Kind.MOVED, Kind.DELETED} or now >= at + SETTLE


@given(happenings)
def test_everything_is_due_once_it_was_quiet(events: list[Happening]) -> None:
    settling = Settling(SETTLE)
    now = 0.0
    for pause, path, kind in events:
        now += pause
        settling.note(path, kind, now)
    assert set(settling.take(now + 2 * SETTLE + 0.5)) == {path for _, path, _ in events}
    assert settling.next_due() is None


@given(happenings)
def test_what_is_due_next_is_due_then_and_not_before(events: list[Happening]) -> None:
    settling = Settling(SETTLE)
    now = 0.0
    for pause, path, kind in events:
        now += pause
        settling.note(path, kind, now)
    due = settling.next_due()
    if due is None:
        assert not events
    else:
        assert settling.take(due - 0.001) == []
        assert settling.take(due) != []


@given(st.integers(1, 50), st.floats(0.01, SETTLE - 0.01))
def test_file_written_on_and_on_waits_and_delays_no_other(times: int, pause: float) -> None:
    settling = Settling(SETTLE)
    happened(settling, "/c/b.md", Kind.CREATED, Kind.WRITTEN, Kind.CLOSED)
    for number in range(times):
        happened(settling, "/c/a.md", Kind.WRITTEN, Kind.CLOSED, now=number * pause)
    end = (times - 1) * pause
    assert "/c/a.md" not in settling.take(end + SETTLE - 0.005)
    assert settling.known("/c/b.md", max(end, SETTLE)) == Known()
    happened(settling, "/c/c.md", Kind.PLACED, now=end)
    assert "/c/c.md" in settling.take(end)


def test_renamed_file_is_whole_at_once_until_it_is_written_to(settling: Settling) -> None:
    happened(settling, "/c/a.md", Kind.PLACED)
    assert settling.known("/c/a.md", 0.0) == Known(placed=True)
    happened(settling, "/c/a.md", Kind.CLOSED, Kind.TOUCHED)  # by who had it open, and its new mode
    assert settling.known("/c/a.md", 0.0) == Known(placed=True)
    happened(settling, "/c/a.md", Kind.WRITTEN)
    assert settling.known("/c/a.md", 0.0) is None
    assert settling.known("/c/a.md", SETTLE) == Known(written=True)


def test_every_file_of_a_renamed_folder_is_whole_but_what_is_written(settling: Settling) -> None:
    happened(settling, "/c/new", Kind.PLACED)
    happened(settling, "/c/new/deep/b.md", Kind.WRITTEN)
    assert settling.known("/c/new/deep/a.md", 0.0) == Known(placed=True)
    assert settling.known("/c/new/deep/b.md", 0.0) is None
    assert settling.known("/c/newer/a.md", 0.0) == Known()


def test_file_that_takes_the_place_of_a_renamed_one_settles(settling: Settling) -> None:
    """As vim writes with `backupcopy=no`."""
    happened(settling, "/c/a.md", Kind.MOVED, Kind.CREATED)
    assert settling.take(0.0) == []
    happened(settling, "/c/a.md", Kind.WRITTEN, Kind.CLOSED, now=0.1)
    assert settling.take(0.1 + SETTLE) == ["/c/a.md"]


def test_open_file_is_tried_less_and_less_often_and_again_when_it_is_closed(settling: Settling) -> None:
    now, pauses = 0.0, []
    happened(settling, "/c/a.md", Kind.WRITTEN)
    for _ in range(8):
        due = settling.next_due()
        assert due is not None
        assert settling.take(due) == ["/c/a.md"]
        pauses.append(due - now)
        now = due
        refuse(settling, "/c/a.md", "open", now)
        settling.done(["/c/a.md"])
    assert pauses == sorted(pauses)
    assert pauses[0] == SETTLE
    assert pauses[-1] == 5.0
    happened(settling, "/c/a.md", Kind.CLOSED, now=now)
    assert settling.next_due() == now + SETTLE


def test_open_file_may_be_asked_for_before_it_is_due(settling: Settling) -> None:
    refuse(settling, "/c/a.md", "open", 0.0)
    assert settling.known("/c/a.md", 0.1) == Known()
    assert settling.known("/c/a.md", 5.0) == Known(seen=STATE)
    happened(settling, "/c/a.md", Kind.CLOSED, now=5.0)
    assert settling.known("/c/a.md", 5.1) is None


def test_file_seen_twice_alike_may_be_read(settling: Settling) -> None:
    refuse(settling, "/c/a.md", "fresh", 0.0)
    assert settling.known("/c/a.md", SETTLE - 0.1) is None
    assert settling.known("/c/a.md", SETTLE) == Known(seen=STATE)
    happened(settling, "/c/a.md", Kind.TOUCHED, now=1.0)
    assert settling.known("/c/a.md", 1.0 + SETTLE) == Known()


def test_deletion_waits_for_a_new_file_that_may_be_a_copy(settling: Settling) -> None:
    happened(settling, "/c/old.md", Kind.DELETED)
    assert settling.take(0.0) == ["/c/old.md"]  # there is none
    settling.done(["/c/old.md"])
    happened(settling, "/c/new.md", Kind.CREATED, Kind.WRITTEN, Kind.CLOSED, now=1.0)
    happened(settling, "/c/old.md", Kind.DELETED, now=1.1)
    assert settling.take(1.1) == []
    assert set(settling.take(1.0 + SETTLE)) == {"/c/old.md", "/c/new.md"}


def test_deletion_waits_no_longer_than_a_second_for_a_slow_writer(settling: Settling) -> None:
    happened(settling, "/c/old.md", Kind.DELETED)
    for number in range(20):
        happened(settling, "/c/new.md", Kind.CREATED, Kind.WRITTEN, now=number / 10)
    assert settling.take(SETTLE + 0.4) == []
    assert settling.take(SETTLE + 0.5) == ["/c/old.md"]


def test_rename_away_waits_for_nothing(settling: Settling) -> None:
    happened(settling, "/c/new.md", Kind.CREATED, Kind.WRITTEN)
    happened(settling, "/c/old.md", Kind.MOVED)
    happened(settling, "/c/other.md", Kind.PLACED)
    assert set(settling.take(0.0)) == {"/c/old.md", "/c/other.md"}


def test_what_was_taken_is_due_again_if_something_happens_or_it_is_put_back(settling: Settling) -> None:
    happened(settling, "/c/a.md", Kind.PLACED)
    assert settling.take(0.0) == ["/c/a.md"]
    assert settling.take(9.0) == []
    settling.put_back(["/c/a.md"])
    assert settling.take(9.0) == ["/c/a.md"]
    happened(settling, "/c/a.md", Kind.PLACED, now=9.0)
    settling.done(["/c/a.md"])
    assert settling.take(9.0) == ["/c/a.md"]
    settling.done(["/c/a.md"])
    assert settling.next_due() is None


def test_file_that_was_read_is_due_no_more_unless_it_changed_since(settling: Settling) -> None:
    happened(settling, "/c/a.md", Kind.CLOSED, now=1.0)
    settling.was_read("/c/a.md", 0.9)
    assert settling.next_due() == 1.0 + SETTLE
    settling.was_read("/c/a.md", 1.0)
    assert settling.next_due() is None


def test_files_that_stay_open_are_named_and_those_that_merely_wait_are_not(settling: Settling) -> None:
    happened(settling, "/c/closed.md", Kind.CREATED, Kind.WRITTEN, Kind.CLOSED)
    happened(settling, "/c/placed.md", Kind.PLACED)
    happened(settling, "/c/open.md", Kind.WRITTEN)
    for now in (1.0, 30.0, 61.0):
        refuse(settling, "/c/open.md", "open", now)
        happened(settling, "/c/growing.md", Kind.WRITTEN, Kind.CLOSED, now=now - 1.0)
    assert settling.unsettled_for(60.0, 60.4) == {"/c/growing.md": 0.0, "/c/open.md": 0.0}
    assert settling.unsettled_for(60.0, 59.0) == {}


def test_when_events_are_lost_no_file_counts_as_open(settling: Settling) -> None:
    happened(settling, "/c/a.md", Kind.WRITTEN)
    settling.lose_track()
    assert settling.known("/c/a.md", SETTLE) == Known()


def test_without_quiet_time_what_is_closed_is_due_at_once() -> None:
    settling = Settling(0.0)
    happened(settling, "/c/a.md", Kind.CREATED, Kind.WRITTEN, Kind.CLOSED)
    assert settling.take(0.0) == ["/c/a.md"]


# -- what could not be read ------------------------------------------------------------------------------


def test_what_could_not_be_read_is_due_again_and_again_ever_later(settling: Settling) -> None:
    settling.failed("/c/a.md", 0.0)
    now, pauses = 0.0, []
    for _ in range(12):
        due = settling.next_due()
        assert due is not None
        assert settling.take(due - 0.01) == []
        assert settling.take(due) == ["/c/a.md"]
        settling.failed("/c/a.md", due)
        pauses.append(due - now)
        now = due
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == 300.0
    assert settling.unsettled_for(0.0, now + 1000) == {}  # it is not open
    settling.mended("/c/a.md")
    assert settling.next_due() is None


# -- what overtakes ------------------------------------------------------------------------------------


def urgent(settling: Settling, now: float, *known: str, most: int = 2) -> list[str]:
    """What is urgent, where some paths were read before; that is asked once for each."""
    return settling.take_urgent(now, most, lambda path: path.endswith(".md"), lambda _: set(known))


def test_what_changed_last_is_urgent_first_and_what_was_read_before_goes_before_new_files(
    settling: Settling,
) -> None:
    for number in range(9):
        settling.note(f"/c/{number}.md", Kind.PLACED, float(number))
    assert urgent(settling, 9.0, "/c/1.md", "/c/3.md", "/c/5.md") == ["/c/5.md", "/c/3.md"]
    assert urgent(settling, 9.1) == ["/c/1.md"]
    assert urgent(settling, 9.2) == []  # of many, some once a second
    assert urgent(settling, 10.0) == ["/c/8.md"]  # of new ones, one
    assert urgent(settling, 10.5) == []
    assert settling.take(9.0) == [f"/c/{number}.md" for number in (7, 6, 4, 2, 0)]


def test_what_was_read_before_is_urgent_however_many_new_files_come_after_it(settling: Settling) -> None:
    settling.note("/c/withdrawn.md", Kind.CLOSED, 0.0)
    for number in range(30_000):
        settling.note(f"/c/{number}.md", Kind.PLACED, 0.1)
    taken = [one for now in range(1, 9) for one in urgent(settling, float(now), "/c/withdrawn.md")]
    assert "/c/withdrawn.md" in taken


def test_what_could_not_be_asked_is_asked_again(settling: Settling) -> None:
    def fails(_: list[str]) -> set[str]:
        raise OSError("the store is busy")

    settling.note("/c/a.md", Kind.PLACED, 0.0)
    for number in range(9):
        settling.note(f"/c/{number}.md", Kind.PLACED, 0.0)
    with pytest.raises(OSError, match="busy"):
        settling.take_urgent(1.0, 2, lambda _: True, fails)
    assert urgent(settling, 1.0, "/c/a.md") == ["/c/a.md"]


def test_folder_is_no_urgent_matter(settling: Settling) -> None:
    """It may hold very many stories."""
    settling.note("/c/folder", Kind.PLACED, 0.0)
    assert urgent(settling, 9.0) == []
    assert settling.take(9.0) == ["/c/folder"]


def test_few_deletions_are_urgent_and_many_are_decided_about_together(settling: Settling) -> None:
    settling.note("/c/a.md", Kind.DELETED, 0.0)
    assert urgent(settling, SETTLE, "/c/a.md") == []  # what takes its place may be being written
    assert urgent(settling, SETTLE + 0.5) == ["/c/a.md"]
    many = [f"/c/{number}.md" for number in range(30)]
    for path in many:
        settling.note(path, Kind.DELETED, 0.0)
    assert urgent(settling, 9.0, *many) == []
    assert len(settling.take(9.0)) == 30


def test_deleted_file_is_not_urgent_before_what_may_have_taken_its_place(settling: Settling) -> None:
    settling.note("/c/old/a.md", Kind.MOVED, 1.0)
    settling.note("/c/new/a.md", Kind.PLACED, 1.0)
    assert urgent(settling, 1.0, "/c/old/a.md") == ["/c/new/a.md", "/c/old/a.md"]
    settling.done(["/c/new/a.md", "/c/old/a.md"])
    settling.note("/c/new/b.md", Kind.PLACED, 2.0)
    assert settling.take(2.0) == ["/c/new/b.md"]  # long work is about to read it
    settling.note("/c/old/b.md", Kind.DELETED, 2.0)
    assert urgent(settling, 9.0, "/c/old/b.md") == []
    settling.done(["/c/new/b.md"])
    assert urgent(settling, 9.0) == ["/c/old/b.md"]


def test_file_that_moved_under_another_name_is_found_before_it_is_gone(settling: Settling) -> None:
    settling.note("/c/old.md", Kind.MOVED, 1.0)
    for number in range(5):
        settling.note(f"/c/{number}.md", Kind.PLACED, 1.0)
    taken = urgent(settling, 1.0, "/c/old.md")
    assert taken[-1] == "/c/old.md"
    assert set(taken) == {"/c/old.md", *(f"/c/{number}.md" for number in range(5))}
