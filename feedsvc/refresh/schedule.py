"""The file watcher, intervals and visibility transitions: when to call the refresher; nothing else.

Knows nothing of what a refresh does. Jobs live in memory; what must not be lost is the store's dirty queue.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from feedsvc.loading.settling import URGENT, Kind
from feedsvc.refresh import watch
from feedsvc.refresh.jobs import Jobs
from feedsvc.refresh.scheduled import Notifies, Refreshes
from feedsvc.refresh.watch_events import Event

log = structlog.get_logger(__name__)

_BETWEEN = 0.2  # seconds between two loads of files that have become quiet, so that they come in batches
_PULSE = 0.02  # seconds between two looks at whether somebody wrote to the store, where that is cheap
_AMID_A_LOOK = 5.0  # seconds between two publications while files are looked through
_SURE = 1.0  # seconds after which a look is due all the same: who was pushing many stories may have died
_LOOK = 0.25  # seconds between two where it takes a query
_AGAIN = 1.0  # seconds until a watch that failed is tried again; it begins with a look at everything
_AGAIN_AT_MOST = 60.0  # if it fails over and over
_CLAIMED = 0.5  # seconds until feeds are looked for again that another refresher had claimed
_FEW = 50  # files that are loaded, and published, in one go; what changes meanwhile overtakes more of them
_URGENT = 10  # files that are loaded between two pieces of a long load
_NOTICES = 2  # seconds between two looks for what partners must be told
_TELL = 0.5  # seconds until it is told what isn't watched: meanwhile more of it may be found
_HORIZON = timedelta(days=1)  # visibility transitions farther off are left to a later refresh to schedule


class Schedule:
    """Runs a refresher in the background: at intervals, at each visibility transition, and when files change.

    Intervals are in seconds. `watched` is the folder whose changes are loaded at once, or None for none:
    then, and as long as it can't be watched, every regular refresh looks through the folder.
    `first` is how long (seconds) the first look through the folder leaves the machine to the web workers that
    start, if the store has published before: then what time has flipped is published at once all the same.
    `notifier` is run every few seconds. `on_remade` is called when the store was made anew.
    Loading and publishing have a thread each, so that a long look through the folder delays no embargo. What
    changes while many files are loaded overtakes them.
    """

    def __init__(
        self,
        refresher: Refreshes,
        *,
        refresh: int,
        rescan: int,
        watched: Path | None,
        first: float = 0.0,
        notifier: Notifies | None = None,
        on_remade: Callable[[], None] = lambda: None,
    ) -> None:
        self._refresher = refresher
        self._on_remade = on_remade
        self._settling = refresher.settling
        self._watched = watched
        self._watch_of = watch.watch(watched) if watched else None
        self._root = os.path.realpath(watched) if watched else ""
        self._unwatched: Mapping[str, str] = {self._root: ""} if watched else {}
        """The folders that can't be watched, and why: "" as long as it isn't known yet."""
        self._settled_at: float | None = None
        self._not_before = 0.0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._changing = threading.Lock()
        self._scanning = threading.Event()
        self._jobs = Jobs(("load", "publish", "notices", "conditions", "prune"), self._remake_soon)
        now = datetime.now(UTC)
        regular = self._regular if watched else self._scan
        self._jobs.every(refresh, "refresh", regular, "publish" if watched else "load")
        self._jobs.every(rescan, "rescan", self._rescan, "load", now + timedelta(seconds=first))
        self._notifier = notifier
        if notifier:
            self._jobs.every(_NOTICES, "notices", notifier.run, "notices")
        self._flips_first = first > 0
        self._warmer = threading.Thread(target=self._warm, name="feedsvc-warmer", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="feedsvc-listener", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="feedsvc-watcher", daemon=True)

    def start(self) -> None:
        """Begin, with a look through the whole folder."""
        self._refresher.overtake_with(self._load_urgent)
        self._jobs.start()
        if self._notifier:
            self._notifier.start()
        self._warmer.start()
        self._listener.start()
        if self._watched:
            self._watcher.start()
        else:
            self._jobs.once("tell_unwatched", self._tell_unwatched, "conditions")

    def stop(self) -> None:
        """End: the transactions under way are finished, what is queued stays dirty in the store."""
        self._jobs.refuse_more()
        self._stopping.set()
        self._looked.set()
        self._refresher.stop()
        if self._notifier:
            self._notifier.stop()
        if self._watch_of:
            self._watch_of.stop()
        self._jobs.stop()
        for thread in (self._watcher, self._warmer, self._listener):
            if thread.is_alive():
                thread.join(timeout=1)

    def _remake_soon(self) -> None:
        self._jobs.again("remake", self._remake, 0.0, "load")

    def _remake(self) -> None:
        """Make the store anew if it is gone: what failed may have failed for that."""
        if self._refresher.remake_store():
            self._on_remade()
            self._publish_soon()

    def _regular(self) -> None:
        """Publish what is dirty, and look where nobody tells what happens."""
        self._publish()
        self._tell_unwatched()
        if self._root in self._unwatched:
            self._look_at_everything()
        elif self._unwatched:
            self._jobs.once("look_unwatched", self._look_at_unwatched, "load")

    def _look_at_everything(self) -> None:
        self._jobs.once("look", self._scan, "load")

    def _look_at_unwatched(self) -> None:
        self._load([*self._unwatched])
        self._after_load()

    def _scan(self) -> None:
        self._scanning.set()
        try:
            self._refresher.scan()
        finally:
            self._scanning.clear()
        self._publish_soon()
        self._after_load()

    def _rescan(self) -> None:
        self._scan()
        self._jobs.once("looked", self._looked.set, "publish")
        self._jobs.once("tidy", lambda: self._refresher.maintain(everything=True), "publish")
        # In a thread of its own: what a long retention left is no reason for a story to wait.
        self._jobs.once("prune", self._prune, "prune")

    def _prune(self) -> None:
        self._refresher.prune()

    def _publish_soon(self) -> None:
        self._jobs.once("publish", self._publish, "publish")

    def _warm(self) -> None:
        if self._flips_first:
            self._jobs.guarded("catch_up", self._publish, "publish")
        self._jobs.guarded("rights", self._tell_lost_rights, "publish")
        self._looked.wait()
        self._jobs.guarded("warm", self._refresher.warm, "publish")

    def _tell_lost_rights(self) -> None:
        self._refresher.tell_lost_rights()

    def _publish(self) -> None:
        self._refresher.refresh()
        self._schedule_transition()
        self._refresher.maintain()
        self._look_for_claimed()

    def _publish_urgent(self) -> None:
        self._refresher.publish_urgent()

    def _look_for_claimed(self) -> None:
        """Look again soon for feeds that another refresher had claimed: it may die, or be suspended."""
        if self._refresher.is_any_claimed:
            self._jobs.again("claimed", self._publish, _CLAIMED, "publish")

    def _schedule_transition(self) -> None:
        transition = self._refresher.next_transition()
        if transition is not None and transition <= datetime.now(UTC) + _HORIZON:
            self._jobs.at(transition, "transition", self._publish, "publish")

    # -- what others write to the store ------------------------------------------------------------------

    def _listen(self) -> None:
        """Publish what others made dirty: a worker that was pushed a story, or another process."""
        pulse: int | None = None
        marked: datetime | None = None
        hurried: datetime | None = None
        due = sure = 0.0
        while not self._stopping.wait(_PULSE if pulse is not None else _LOOK):
            if self._refresher.is_store_lost():
                self._remake_soon()
                self._stopping.wait(_AGAIN)
                continue
            try:
                before, pulse = pulse, self._refresher.pulse()
                if pulse is not None and pulse == before and time.monotonic() < sure:
                    continue
                if time.monotonic() >= sure:
                    sure = time.monotonic() + _SURE
                    self._refresher.end_silent()
                with self._changing:  # few files that this process brings in, it publishes itself at once
                    waiting = self._refresher.waiting()
            except Exception as error:  # the store is gone: the regular refresh says so
                log.debug("store_not_heard", error=repr(error))
                pulse = None
                self._stopping.wait(_AGAIN)
                continue
            # A feed that can't be built stays dirty: it is for the regular refresh to try it again.
            # Not later: others' clocks may be behind.
            is_new = waiting.any is not None and waiting.any != marked
            is_urgent = waiting.urgent is not None and waiting.urgent != hurried
            # A long look marks feeds all the time, and publishes them at its end itself.
            if is_new and (not self._scanning.is_set() or time.monotonic() > due):
                marked, due = waiting.any, time.monotonic() + _AMID_A_LOOK
                self._jobs.run("pushed", self._publish, "publish")
            elif is_urgent:
                self._jobs.run("pushed_urgent", self._publish_urgent, "publish")
            hurried = waiting.urgent

    # -- the watcher -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        assert self._watch_of is not None
        pause = _AGAIN
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                for number, events in enumerate(self._watch_of.batches()):
                    self._note(events)
                    self._note_unwatched(self._watch_of.unwatched)
                    if number == 0:  # only now is it sure that nothing happens unseen
                        self._look_at_everything()
                reason = ""  # another folder has taken its place
            except FileNotFoundError:
                reason = ""  # the look says where operators see it that there is no folder
            except Exception as error:
                reason = getattr(error, "strerror", None) or str(error)
            was_long = time.monotonic() > began + _AGAIN_AT_MOST
            pause = _AGAIN if was_long or not reason else min(2 * pause, _AGAIN_AT_MOST)
            if self._note_unwatched({self._root: reason}):
                self._jobs.once("unwatched", self._look_for_folder, "load")
            self._stopping.wait(pause)

    def _note_unwatched(self, unwatched: Mapping[str, str]) -> bool:
        """Note what isn't watched, and have it told where operators see it; returns whether that is news."""
        if unwatched == self._unwatched:
            return False
        self._unwatched = dict(unwatched)
        self._jobs.once("tell_unwatched", self._tell_unwatched, "conditions", _TELL)
        return True

    def _tell_unwatched(self) -> None:
        self._refresher.tell_unwatched(self._unwatched)

    def _look_for_folder(self) -> None:
        self._refresher.scan_changed([])

    def _note(self, events: Sequence[Event]) -> None:
        now = time.monotonic()
        for path, kind in events:
            if kind is Kind.LOST:
                self._settling.lose_track()
                self._look_at_everything()
            else:
                self._settling.note(path, kind, now)
        if any(event.kind in URGENT for event in events):
            # A job of its own each time: one that is already running may have taken the paths before these.
            # It sees to the others, too.
            self._jobs.run("changed", self._load_pending, "load")
        elif events:
            self._load_when_settled()

    # -- what is loaded when it is whole -----------------------------------------------------------------

    def _load_when_settled(self) -> None:
        """Have what waits loaded once it is due."""
        now = time.monotonic()
        if self._settled_at is not None and self._settled_at <= now + self._settling.settle:
            return  # nothing that is new can be due before that
        due = self._settling.next_due()
        if due is None:
            return
        with self._lock:
            at = max(due, self._not_before)
            if self._settled_at is not None and self._settled_at <= at:
                return  # that one looks for what is due next
            self._settled_at = at
        self._jobs.run("settled", self._load_settled, "load", max(0.0, at - now))

    def _load_settled(self) -> None:
        with self._lock:
            self._settled_at = None
            self._not_before = time.monotonic() + _BETWEEN
        self._load_pending()

    def _load_pending(self) -> None:
        self._load_urgent()
        paths = self._settling.take(time.monotonic())
        if paths:
            self._load_taken(paths)
        self._after_load()

    def _load_urgent(self) -> None:
        """Load what changed last, before a long load and between its pieces; what fails, later."""
        paths = self._settling.take_urgent(
            time.monotonic(), _URGENT, watch.is_story, self._refresher.read_before
        )
        if paths:
            self._jobs.guarded("urgent", lambda: self._load_taken(paths), "load")

    def _load_taken(self, paths: list[str]) -> None:
        try:
            self._load(paths)
        except Exception:
            self._settling.put_back(paths)
            raise
        self._settling.done(paths)

    def _load(self, paths: Sequence[str]) -> None:
        """Load files. Few are published at once; of many, the feeds are made meanwhile and afterwards."""
        if len(paths) > _FEW or not all(map(watch.is_story, paths)):  # a folder may hold very many
            self._scanning.set()
            try:
                loaded = self._refresher.scan_changed([*map(Path, paths)])
            finally:
                self._scanning.clear()
        else:
            with self._changing, self._refresher.urgently():
                loaded = self._refresher.scan_changed([*map(Path, paths)])
                if not loaded.is_empty:
                    self._refresher.publish_urgent()
        # Amid a long load whoever listens publishes what that made dirty, now and then; else each file that
        # overtakes it would have all that done again.
        if not (loaded.is_empty or self._scanning.is_set()):
            self._publish_soon()

    def _after_load(self) -> None:
        self._load_when_settled()
        self._refresher.tell_open()
