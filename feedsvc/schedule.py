"""APScheduler and the file watcher: when to call the refresher; nothing else.

Knows nothing of what a refresh does. Jobs live in memory; what must not be lost is the store's dirty queue.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from watchfiles import watch

log = structlog.get_logger(__name__)

_DEBOUNCE_MS = 200  # the longest that a stream of events is gathered
_STEP_MS = 20  # the quiet after which it is handed over
_PULSE = 0.02  # seconds between two looks at whether somebody wrote to the store, where that is cheap
_AMID_A_LOOK = 5.0  # seconds between two publications while files are looked through
_SURE = 1.0  # seconds after which a look is due all the same: who was pushing many stories may have died
_LOOK = 0.25  # seconds between two where it takes a query
_IDLE_MS = 1_000  # how often the watcher looks whether it still watches the right folder
_AGAIN = 1.0  # seconds until a watch that failed is tried again; it begins with a look at everything
_RETRY = timedelta(seconds=1)  # until files whose loading failed are tried again
_NOTICES = 2  # seconds between two looks for what partners must be told
_HORIZON = timedelta(days=1)  # flips farther off are left to a later refresh to schedule


class _Refresher(Protocol):
    """What a schedule calls."""

    def scan(self) -> object: ...

    def scan_changed(self, paths: set[Path]) -> object: ...

    def refresh(self) -> object: ...

    def next_flip(self) -> datetime | None: ...

    def warm(self) -> None: ...

    def tell_lost_rights(self) -> object: ...

    def tidy(self, *, everything: bool = False) -> None: ...

    def waiting(self) -> datetime | None: ...

    def pulse(self) -> int | None: ...

    def stop(self) -> None: ...


class _Notifier(Protocol):
    """What tells partners."""

    def start(self) -> None: ...

    def run(self) -> None: ...

    def stop(self) -> None: ...


class Schedule:
    """Runs a refresher in the background: at intervals, at each flip, and when files change.

    Intervals are in seconds. `watched` is the folder whose changes are loaded at once, or None for none.
    `first` is how long (seconds) the first look through the folder leaves the machine to the web workers that
    start, if the store has published before: then what time has flipped is published at once all the same.
    `notifier` is run every few seconds.
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
    ) -> None:
        self._refresher = refresher
        self._watched = watched
        self._pending: set[Path] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._adding = threading.Lock()
        self._changing = threading.Lock()
        self._scanning = threading.Event()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={name: ThreadPoolExecutor(1) for name in ("load", "publish", "notices")},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        now = datetime.now(UTC)
        regular = self._publish if watched else self._scan
        self._add("refresh", regular, "interval", seconds=refresh, executor="publish" if watched else "load")
        look = now + timedelta(seconds=first)
        self._add("rescan", self._rescan, "interval", seconds=rescan, executor="load", next_run_time=look)
        self._notifier = notifier
        if notifier:
            self._add("notices", notifier.run, "interval", seconds=_NOTICES, executor="notices")
        self._flips_first = first > 0
        self._warmer = threading.Thread(target=self._warm, name="feedsvc-warmer", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="feedsvc-listener", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="feedsvc-watcher", daemon=True)

    def start(self) -> None:
        """Begin, with a look through the whole folder."""
        self._scheduler.start()
        if self._notifier:
            self._notifier.start()
        self._warmer.start()
        self._listener.start()
        if self._watched:
            self._watcher.start()

    def stop(self) -> None:
        """End: the transactions under way are finished, what is queued stays dirty in the store."""
        with self._adding:  # a job that adds another now would wait for the scheduler, which waits for it
            self._stopping.set()
        self._looked.set()
        self._refresher.stop()
        if self._notifier:
            self._notifier.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        for thread in (self._watcher, self._warmer, self._listener):
            if thread.is_alive():
                thread.join(timeout=1)

    def _add(self, name: str, job: Callable[[], None], trigger: str, **arguments: object) -> None:
        self._scheduler.add_job(self._guarded, trigger, (name, job), id=name, name=name, **arguments)

    def _run(
        self, name: str, job: Callable[[], None], at: datetime | None = None, executor: str = "load"
    ) -> None:
        """Have a job run once, at an instant (aware UTC) or as soon as may be, with those of that kind."""
        with self._adding:
            if not self._stopping.is_set():
                self._scheduler.add_job(
                    self._guarded, "date", (name, job), run_date=at or datetime.now(UTC), executor=executor
                )

    def _guarded(self, name: str, job: Callable[[], None]) -> None:
        if self._stopping.is_set():
            return
        try:
            job()
        except Exception:  # a job that fails is tried again by the next; what it left undone is still dirty
            log.exception("job_failed", job=name)

    def _scan(self) -> None:
        self._scanning.set()
        try:
            self._refresher.scan()
            self._publish()
        finally:
            self._scanning.clear()
        self._looked.set()

    def _rescan(self) -> None:
        self._scan()
        self._refresher.tidy(everything=True)

    def _warm(self) -> None:
        if self._flips_first:
            self._guarded("catch_up", self._publish)
        self._guarded("rights", self._tell_lost_rights)
        self._looked.wait()
        self._guarded("warm", self._refresher.warm)

    def _tell_lost_rights(self) -> None:
        self._refresher.tell_lost_rights()

    def _publish(self) -> None:
        self._refresher.refresh()
        self._schedule_flip()
        self._refresher.tidy()

    def _schedule_flip(self) -> None:
        flip = self._refresher.next_flip()
        if flip is None or flip > datetime.now(UTC) + _HORIZON:
            return
        with self._adding:
            if self._stopping.is_set():
                return
            # Several instances: the next flip may come while the job that schedules it is still running.
            self._add(
                "flip",
                self._publish,
                "date",
                run_date=flip,
                executor="publish",
                replace_existing=True,
                max_instances=8,
            )

    # -- what others write to the store ------------------------------------------------------------------

    def _listen(self) -> None:
        """Publish what others made dirty: a worker that was pushed a story, or another process."""
        pulse: int | None = None
        marked: datetime | None = None
        due = sure = 0.0
        while not self._stopping.wait(_PULSE if pulse is not None else _LOOK):
            try:
                before, pulse = pulse, self._refresher.pulse()
                if pulse is not None and pulse == before and time.monotonic() < sure:
                    continue
                sure = time.monotonic() + _SURE
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
                self._run("pushed", self._publish, executor="publish")

    # -- the watcher -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        assert self._watched is not None
        has_failed = False
        while not self._stopping.is_set():
            try:
                self._watch_folder(self._watched, _identity(self._watched))
                has_failed = False
            except Exception as error:  # no folder, a name that isn't UTF-8, no more inotify watches
                log.warning("watch_failed", path=str(self._watched), error=str(error))
                if not has_failed:  # if the folder is gone, that is noted where operators see it
                    self._run("unwatched", self._look_for_folder)
                has_failed = True
                self._stopping.wait(_AGAIN)

    def _watch_folder(self, folder: Path, identity: tuple[int, int]) -> None:
        events = watch(
            folder,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_IDLE_MS,
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
        )
        caught_up = False
        for changes in events:
            if changes:
                self._load({Path(path) for _, path in changes})
            elif _identity(folder) != identity:
                return  # the folder was replaced: watch the new one
            if not caught_up:  # only now is it sure that nothing happens unseen
                self._run("catch_up", self._scan)
                caught_up = True

    def _look_for_folder(self) -> None:
        self._refresher.scan_changed(set())

    def _load(self, paths: set[Path]) -> None:
        with self._lock:
            self._pending |= paths
        # A job of its own each time: one that is already running may have taken the paths before these.
        self._run("changed", self._load_pending)

    def _load_pending(self) -> None:
        with self._lock:
            paths, self._pending = self._pending, set()
        if not paths:
            return
        with self._changing:
            try:
                self._refresher.scan_changed(paths)
            except Exception:
                with self._lock:
                    self._pending |= paths
                self._run("changed", self._load_pending, datetime.now(UTC) + _RETRY)
                raise
            self._publish()


def _identity(folder: Path) -> tuple[int, int]:
    stat = folder.stat()
    return stat.st_dev, stat.st_ino
