"""Whichever worker is asked, its counts are those of all, and none goes back when a worker dies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedsvc.domain.model import Format
from feedsvc.web.ops.counters import WorkerCounters

_counts = st.dictionaries(
    st.tuples(st.sampled_from(["rss", "atom"]), st.sampled_from([200, 304])), st.integers(0)
)


@given(st.lists(_counts, min_size=1, max_size=4))
def test_total_is_the_sum_whoever_is_asked(
    tmp_path_factory: pytest.TempPathFactory, workers: list[dict[tuple[Format, int], int]]
) -> None:
    folder = tmp_path_factory.mktemp("tally")
    tallies = [WorkerCounters(counts.copy, folder) for counts in workers]
    for tally in tallies:
        tally.keep()
    keys = {key for counts in workers for key in counts}
    expected = {key: sum(counts.get(key, 0) for counts in workers) for key in keys}
    for tally in tallies:
        assert tally.total() == expected


def test_own_counts_are_live_and_others_are_kept_once_a_second(tmp_path: Path) -> None:
    counts: dict[tuple[Format, int], int] = {("rss", 200): 1}
    tally, other = WorkerCounters(counts.copy, tmp_path), WorkerCounters(dict, tmp_path)
    tally.keep()
    counts["rss", 200] = 2
    tally.keep()
    assert tally.total() == {("rss", 200): 2}
    assert other.total() == {("rss", 200): 1}


def test_process_that_is_nobodys_worker_counts_alone() -> None:
    tally = WorkerCounters(lambda: {("rss", 200): 3}, None)
    tally.keep()
    assert tally.total() == {("rss", 200): 3}
