"""APScheduler and the file watcher: when to call the refresher; nothing else.

Knows nothing of what a refresh does. Jobs live in memory; what must not be lost is the store's dirty queue.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from feedsvc import watching
from feedsvc.jobs import Jobs
from feedsvc.settling import URGENT, Kind, Settling
from feedsvc.watching import Event

log = structlog.get_logger(__name__)

_BETWEEN = 0.2  # seconds between two loads of files that have become quiet, so that they come in batches
_PULSE = 0.02  # seconds between two looks at whether somebody wrote to the store, where that is cheap
_AMID_A_LOOK = 5.0  # seconds between two publications while files are looked through
_SURE = 1.0  # seconds after which a look is due all the same: who was pushing many stories may have died
_LOOK = 0.25  # seconds between two where it takes a query
_AGAIN = 1.0  # seconds until a watch that failed is tried again; it begins with a look at everything
_CLAIMED = 0.5  # seconds until feeds are looked for again that another refresher had claimed
_NOTICES = 2  # seconds between two looks for what partners must be told
_MOST_TOLD = 5  # folders named in one warning
_HORIZON = timedelta(days=1)  # flips farther off are left to a later refresh to schedule


class _Loaded(Protocol):
    """What a load of changed files came to."""

    @property
    def is_empty(self) -> bool: ...


class _Refresher(Protocol):
    """What a schedule calls. In `settling` it notes what happens to files."""

    settling: Settling

    def scan(self) -> object: ...

    def scan_changed(self, paths: set[Path]) -> _Loaded: ...

    def tell_open(self) -> None: ...

    def refresh(self) -> object: ...

    def next_flip(self) -> datetime | None: ...

    def warm(self) -> None: ...

    def tell_lost_rights(self) -> object: ...

    def tidy(self, *, everything: bool = False) -> None: ...

    def prune(self) -> object: ...

    def waiting(self) -> datetime | None: ...

    def pulse(self) -> int | None: ...

    def is_store_lost(self) -> bool: ...

    def remake_store(self) -> bool: ...

    def end_silent(self) -> int: ...

    @property
    def is_any_claimed(self) -> bool: ...

    def stop(self) -> None: ...


class _Notifier(Protocol):
    """What tells partners."""

    def start(self) -> None: ...

    def run(self) -> None: ...

    def stop(self) -> None: ...


class Schedule:
    """Runs a refresher in the background: at intervals, at each flip, and when files change.

    Intervals are in seconds. `watched` is the folder whose changes are loaded at once, or None for none:
    then, and as long as it can't be watched, every regular refresh looks through the folder.
    `first` is how long (seconds) the first look through the folder leaves the machine to the web workers that
    start, if the store has published before: then what time has flipped is published at once all the same.
    `notifier` is run every few seconds. `on_remade` is called when the store was made anew.
    Loading and publishing have a thread each, so that a long look through the folder delays no embargo.
    """

    def __init__(
        self,
        refresher: _Refresher,
        *,
        refresh: int,
        rescan: int,
        watched: Path | None,
        first: float = 0.0,
        notifier: _Notifier | None = None,
        on_remade: Callable[[], None] = lambda: None,
    ) -> None:
        self._refresher = refresher
        self._on_remade = on_remade
        self._settling = refresher.settling
        self._watched = watched
        self._watch_of = watching.watch(watched) if watched else None
        self._is_watching = False
        self._trouble = ""
        self._settled_at: float | None = None
        self._not_before = 0.0
        self._is_look_due = False
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._changing = threading.Lock()
        self._scanning = threading.Event()
        self._jobs = Jobs(("load", "publish", "notices", "prune"), self._remake_soon)
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
        self._jobs.start()
        if self._notifier:
            self._notifier.start()
        self._warmer.start()
        self._listener.start()
        if self._watched:
            self._watcher.start()

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
            self._publish()

    def _regular(self) -> None:
        if self._is_watching:
            self._publish()
        else:
            self._look_at_everything()

    def _look_at_everything(self) -> None:
        """Have the whole folder looked through soon, however often this is asked for meanwhile."""
        with self._lock:
            if self._is_look_due:
                return
            self._is_look_due = True
        self._jobs.run("look", self._due_look)

    def _due_look(self) -> None:
        with self._lock:
            self._is_look_due = False
        self._scan()

    def _scan(self) -> None:
        self._scanning.set()
        try:
            self._refresher.scan()
            self._publish()
        finally:
            self._scanning.clear()
        self._looked.set()
        self._after_load()

    def _rescan(self) -> None:
        self._scan()
        self._refresher.tidy(everything=True)
        # In a thread of its own: what a long retention left is no reason for a story to wait.
        self._jobs.run("prune", self._prune, executor="prune")

    def _prune(self) -> None:
        self._refresher.prune()

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
        self._schedule_flip()
        self._refresher.tidy()
        self._look_for_claimed()

    def _look_for_claimed(self) -> None:
        """Look again soon for feeds that another refresher had claimed: it may die, or be suspended."""
        if self._refresher.is_any_claimed:
            self._jobs.again("claimed", self._publish, _CLAIMED, "publish")

    def _schedule_flip(self) -> None:
        flip = self._refresher.next_flip()
        if flip is not None and flip <= datetime.now(UTC) + _HORIZON:
            self._jobs.at(flip, "flip", self._publish, "publish")

    # -- what others write to the store ------------------------------------------------------------------

    def _listen(self) -> None:
        """Publish what others made dirty: a worker that was pushed a story, or another process."""
        pulse: int | None = None
        marked: datetime | None = None
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
                with self._changing:  # what this process brings in itself, it publishes itself
                    newest = self._refresher.waiting()
            except Exception as error:  # the store is gone: the regular refresh says so
                log.debug("store_not_heard", error=repr(error))
                pulse = None
                self._stopping.wait(_AGAIN)
                continue
            # A feed that can't be built stays dirty: it is for the regular refresh to try it again.
            is_new = newest is not None and newest != marked  # not later: others' clocks may be behind
            # A long look marks feeds all the time, and publishes them at its end itself.
            if is_new and (not self._scanning.is_set() or time.monotonic() > due):
                marked, due = newest, time.monotonic() + _AMID_A_LOOK
                self._jobs.run("pushed", self._publish, executor="publish")

    # -- the watcher -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        assert self._watch_of is not None
        while not self._stopping.is_set():
            try:
                for number, events in enumerate(self._watch_of.batches()):
                    self._note(events)
                    self._tell_trouble(self._watch_of.unwatched)
                    if number == 0:  # only now is it sure that nothing happens unseen
                        self._look_at_everything()
            except Exception as error:  # no folder, or no more inotify instances
                was_watching = self._is_watching
                self._tell_trouble({str(self._watched): str(error)})
                if was_watching:  # if the folder is gone, that is noted where operators see it
                    self._jobs.run("unwatched", self._look_for_folder)
                self._stopping.wait(_AGAIN)

    def _tell_trouble(self, unwatched: Mapping[str, str]) -> None:
        """Note whether all is watched; what isn't is told once."""
        self._is_watching = not unwatched
        trouble = "; ".join(f"{path}: {reason}" for path, reason in sorted(unwatched.items())[:_MOST_TOLD])
        if trouble and trouble != self._trouble:
            log.warning("not_watched", folders=len(unwatched), reasons=trouble)
        self._trouble = trouble

    def _look_for_folder(self) -> None:
        self._refresher.scan_changed(set())

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
            self._jobs.run("changed", self._load_pending)
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
        self._jobs.run(
            "settled", self._load_settled, datetime.now(UTC) + timedelta(seconds=max(0.0, at - now))
        )

    def _load_settled(self) -> None:
        with self._lock:
            self._settled_at = None
            self._not_before = time.monotonic() + _BETWEEN
        self._load_pending()

    def _load_pending(self) -> None:
        paths = self._settling.take(time.monotonic())
        if paths:
            with self._changing:
                self._load(paths)
        self._after_load()

    def _load(self, paths: list[str]) -> None:
        try:
            loaded = self._refresher.scan_changed(set(map(Path, paths)))
        except Exception:
            self._settling.put_back(paths)
            raise
        self._settling.done(paths)
        if not loaded.is_empty:
            self._publish()

    def _after_load(self) -> None:
        self._load_when_settled()
        self._refresher.tell_open()
