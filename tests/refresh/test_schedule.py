"""The schedule calls the refresher when it should; a fake refresher says when it was called."""

import errno
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feedsvc.loading.settling import Settling, State, Unsettled
from feedsvc.refresh.load_report import LoadReport
from feedsvc.refresh.schedule import Schedule
from feedsvc.store.dirty import Newest


class Recorder:
    """A refresher that only notes its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.paths: set[Path] = set()
        self.flips: list[datetime] = []
        self.failures = 0
        self.happened = threading.Condition()
        self.settling = Settling(0.1)
        self.unwatched: dict[str, str] | None = None
        self.newest = Newest(None, None)
        self.scanned = threading.Event()
        self.scanned.set()

    def _note(self, call: str) -> None:
        with self.happened:
            self.calls.append(call)
            self.happened.notify_all()

    def scan(self) -> None:
        self._note("scan")
        self.scanned.wait(60)

    def tell_open(self) -> None:
        pass

    def scan_changed(self, paths: Collection[Path]) -> LoadReport:
        if self.failures:
            self.failures -= 1
            raise OSError("the store is busy")
        self.paths |= set(paths)
        self._note("scan_changed")
        return LoadReport(read=len(paths))

    def overtake_with(self, urgent: Callable[[], None]) -> None:
        self.urgent = urgent

    def read_before(self, _paths: list[str]) -> set[str]:
        return set()

    @contextmanager
    def urgently(self) -> Iterator[None]:
        yield

    def publish_urgent(self) -> None:
        self._note("publish_urgent")

    def tell_unwatched(self, unwatched: Mapping[str, str]) -> None:
        if unwatched != self.unwatched:
            self.unwatched = dict(unwatched)
            self._note("tell_unwatched")

    def refresh(self) -> None:
        self._note("refresh")
        if self.unwell:
            self.unwell -= 1
            raise OSError("the store is busy")

    def next_transition(self) -> datetime | None:
        return self.flips.pop(0) if self.flips else None

    def warm(self) -> None:
        self._note("warm")

    def maintain(self, *, everything: bool = False) -> None:
        self._note("tidy everything" if everything else "tidy")

    def prune(self) -> None:
        self._note("prune")

    def stop(self) -> None:
        self._note("stop")

    def tell_lost_rights(self) -> None:
        pass

    def waiting(self) -> Newest:
        return self.newest

    def pulse(self) -> int | None:
        return None

    def is_store_lost(self) -> bool:
        return self.lost

    def remake_store(self) -> bool:
        was_lost, self.lost = self.lost, False
        if was_lost:
            self._note("remake_store")
        return was_lost

    def end_silent(self) -> int:
        self._note("end_silent")
        return 0

    is_any_claimed = False
    unwell = 0
    lost = False

    def wait_for(self, call: str, times: int = 1, seconds: float = 10) -> None:
        with self.happened:
            assert self.happened.wait_for(lambda: self.calls.count(call) >= times, seconds), self.calls


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def schedules() -> Iterator[list[Schedule]]:
    started: list[Schedule] = []
    yield started
    for schedule in started:
        schedule.stop()


def start(
    schedules: list[Schedule], recorder: Recorder, watched: Path | None = None, **every: int
) -> Schedule:
    schedule = Schedule(
        recorder, refresh=every.get("refresh", 3600), rescan=every.get("rescan", 3600), watched=watched
    )
    schedules.append(schedule)
    schedule.start()
    return schedule


def test_first_look_is_at_once(schedules: list[Schedule], recorder: Recorder) -> None:
    start(schedules, recorder)
    recorder.wait_for("scan")
    recorder.wait_for("refresh")


def test_without_watcher_every_interval_looks_through_the_folder(
    schedules: list[Schedule], recorder: Recorder
) -> None:
    start(schedules, recorder, refresh=1)
    recorder.wait_for("scan", times=3)


def test_changed_file_is_loaded_within_a_fraction_of_a_second(
    schedules: list[Schedule], recorder: Recorder, tmp_path: Path
) -> None:
    start(schedules, recorder, tmp_path)
    recorder.wait_for("scan", times=2)  # the second when the watcher is up
    time.sleep(0.2)
    (tmp_path / "a.md").write_text("x")
    recorder.wait_for("scan_changed", seconds=1)
    assert tmp_path / "a.md" in recorder.paths


def test_failed_load_is_tried_again_with_its_paths(
    schedules: list[Schedule], recorder: Recorder, tmp_path: Path
) -> None:
    recorder.failures = 1
    start(schedules, recorder, tmp_path)
    recorder.wait_for("scan", times=2)
    time.sleep(0.2)
    (tmp_path / "a.md").write_text("x")
    recorder.wait_for("scan_changed")
    assert tmp_path / "a.md" in recorder.paths


def test_refresh_runs_at_the_next_flip_and_at_the_one_after(
    schedules: list[Schedule], recorder: Recorder
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    recorder.flips = [soon, soon + timedelta(milliseconds=5)]
    start(schedules, recorder)
    recorder.wait_for("refresh", times=3, seconds=3)
    assert datetime.now(UTC) >= soon


def test_file_saved_in_place_is_loaded_once_it_was_closed_and_quiet(
    schedules: list[Schedule], recorder: Recorder, tmp_path: Path
) -> None:
    recorder.settling.settle = 0.4
    start(schedules, recorder, tmp_path)
    recorder.wait_for("scan", times=2)
    with (tmp_path / "a.md").open("w") as file:
        for _ in range(8):
            file.write("x")
            file.flush()
            time.sleep(0.1)
            assert "scan_changed" not in recorder.calls
    closed = time.monotonic()
    recorder.wait_for("scan_changed")
    assert time.monotonic() > closed + 0.2


def test_renamed_file_is_loaded_at_once_beside_one_that_never_ends(
    schedules: list[Schedule], recorder: Recorder, tmp_path: Path
) -> None:
    recorder.settling.settle = 60.0
    root = tmp_path / "content"
    root.mkdir()
    start(schedules, recorder, root)
    recorder.wait_for("scan", times=2)
    with (root / "endless.md").open("w") as file:
        file.write("x")
        file.flush()
        (tmp_path / "a.md").write_text("x")
        (tmp_path / "a.md").rename(root / "a.md")
        recorder.wait_for("scan_changed", seconds=1)
    assert recorder.paths == {root / "a.md"}


def test_many_files_that_settle_are_loaded_in_batches(
    schedules: list[Schedule], recorder: Recorder, tmp_path: Path
) -> None:
    start(schedules, recorder, tmp_path)
    recorder.wait_for("scan", times=2)
    for number in range(500):
        (tmp_path / f"{number}.md").write_text("x")
    deadline = time.monotonic() + 10
    while len(recorder.paths) < 500 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(recorder.paths) == 500
    assert recorder.calls.count("scan_changed") < 50


def test_what_is_refused_is_tried_again_without_an_event(
    schedules: list[Schedule], recorder: Recorder
) -> None:
    """As where there is no watcher."""
    scan = recorder.scan

    def held() -> None:
        recorder.settling.hold("/a.md", Unsettled("a.md", State(1, 1, 1), "fresh"), time.monotonic())
        scan()

    recorder.scan = held  # type: ignore[method-assign]
    start(schedules, recorder)
    recorder.wait_for("scan_changed", seconds=2)
    assert recorder.paths == {Path("/a.md")}


def test_what_cannot_be_watched_is_looked_at_every_interval(
    schedules: list[Schedule], recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("feedsvc.refresh.watch_inotify.INotify.add_watch", full)
    start(schedules, recorder, tmp_path, refresh=1)
    recorder.wait_for("scan", times=3)


def test_folder_that_appears_later_is_watched(
    schedules: list[Schedule], recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedsvc.refresh.watch_inotify.IDLE", 0.1)
    folder = tmp_path / "later"
    start(schedules, recorder, folder)
    recorder.wait_for("scan")
    folder.mkdir()
    recorder.wait_for("scan", times=2)
    time.sleep(0.3)
    (folder / "a.md").write_text("x")
    recorder.wait_for("scan_changed")


def test_folder_that_is_gone_is_looked_for_once(
    schedules: list[Schedule], recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look notes that it is missing."""
    monkeypatch.setattr("feedsvc.refresh.watch_inotify.IDLE", 0.1)
    monkeypatch.setattr("feedsvc.refresh.schedule._AGAIN", 0.05)
    folder = tmp_path / "content"
    folder.mkdir()
    start(schedules, recorder, folder)
    recorder.wait_for("scan", times=2)
    folder.rename(tmp_path / "away")
    recorder.wait_for("scan_changed")
    time.sleep(0.3)
    assert recorder.calls.count("scan_changed") <= 2  # the watcher may have seen it go, too


def test_what_nobody_waits_for_comes_after_a_publication_and_all_of_it_after_a_look(
    schedules: list[Schedule], recorder: Recorder
) -> None:
    start(schedules, recorder)
    recorder.wait_for("tidy everything")
    wanted = ["scan", "refresh", "tidy", "tidy everything"]
    assert [call for call in recorder.calls if call in wanted] == wanted


def test_stop_lets_the_job_under_way_finish(recorder: Recorder) -> None:
    schedule = Schedule(recorder, refresh=3600, rescan=3600, watched=None)
    schedule.start()
    recorder.wait_for("tidy everything")
    schedule.stop()
    # What isn't watched is told, and what is over removed, by threads of their own: they may begin late.
    calls = [call for call in recorder.calls if call not in {"tell_unwatched", "prune"}]
    assert calls[-1] == "stop"
    ended = list(recorder.calls)
    time.sleep(0.2)
    assert recorder.calls == ended


def test_publication_that_fails_is_tried_again_soon(schedules: list[Schedule], recorder: Recorder) -> None:
    recorder.unwell = 2
    start(schedules, recorder)
    recorder.wait_for("refresh", times=3, seconds=6)
    recorder.wait_for("tidy")


def test_feeds_that_another_refresher_has_claimed_are_looked_for_again(
    schedules: list[Schedule], recorder: Recorder
) -> None:
    """It may be suspended: whatever it holds comes free without a word."""
    recorder.is_any_claimed = True
    start(schedules, recorder)
    recorder.wait_for("refresh", times=4, seconds=4)
    recorder.is_any_claimed = False
    recorder.wait_for("end_silent", times=2, seconds=4)


def test_what_few_changes_made_dirty_is_published_amid_a_long_look(
    schedules: list[Schedule], recorder: Recorder
) -> None:
    """What the look itself makes dirty waits for its end, but for every few seconds."""
    recorder.scanned.clear()
    start(schedules, recorder)
    recorder.wait_for("scan")
    now = datetime.now(UTC)
    recorder.newest = Newest(now, None)
    recorder.wait_for("refresh")
    recorder.newest = Newest(now + timedelta(seconds=1), None)
    for second in range(2, 5):
        at = now + timedelta(seconds=second)
        recorder.newest = Newest(at, at)
        recorder.wait_for("publish_urgent", times=second - 1)
    recorder.scanned.set()
    recorder.wait_for("refresh", times=2)


def test_store_that_is_lost_is_made_anew_and_published(schedules: list[Schedule], recorder: Recorder) -> None:
    start(schedules, recorder)
    recorder.wait_for("tidy everything")
    before = recorder.calls.count("refresh")
    recorder.lost = True
    recorder.wait_for("remake_store", seconds=3)
    recorder.wait_for("refresh", times=before + 1)
    assert recorder.calls.count("remake_store") == 1
