"""Jobs that run in the background, by APScheduler: once, at intervals, at an instant.

Knows nothing of what they do. They live in memory.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

log = structlog.get_logger(__name__)


class Jobs:
    """Runs jobs, those of each kind one after another, in a thread of their own."""

    def __init__(self, kinds: Iterable[str], stopping: threading.Event) -> None:
        self._stopping = stopping
        self._adding = threading.Lock()
        self._due: set[str] = set()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={kind: ThreadPoolExecutor(1) for kind in kinds},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def begin_to_stop(self) -> None:
        """Begin no job any more."""
        with self._adding:  # one that adds another now would wait for the scheduler, which waits for it
            self._stopping.set()

    def stop(self) -> None:
        """Wait until the jobs under way have ended."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def guarded(self, name: str, job: Callable[[], None]) -> None:
        """Do a job here and now; what it raises is logged."""
        if self._stopping.is_set():
            return
        try:
            job()
        except Exception:  # a job that fails is tried again by the next; what it left undone is still dirty
            log.exception("job_failed", job=name)

    def repeat(
        self, name: str, job: Callable[[], None], seconds: float, kind: str, first: datetime | None = None
    ) -> None:
        """Have a job run every so many seconds; for the first time then, or at an instant (aware UTC)."""
        arguments = {"next_run_time": first} if first else {}
        self._scheduler.add_job(
            self.guarded, "interval", (name, job), id=name, seconds=seconds, executor=kind, **arguments
        )

    def at(self, name: str, job: Callable[[], None], when: datetime, kind: str) -> None:
        """Have a job run at an instant (aware UTC), in place of one of that name that has not run yet.

        The next one may come while the job that asks for it is still running.
        """
        with self._adding:
            if not self._stopping.is_set():
                self._scheduler.add_job(
                    self.guarded,
                    "date",
                    (name, job),
                    id=name,
                    run_date=when,
                    executor=kind,
                    replace_existing=True,
                    max_instances=8,
                )

    def run(self, name: str, job: Callable[[], None], kind: str, seconds: float = 0.0) -> None:
        """Have a job run as soon as may be, or in some seconds."""
        when = datetime.now(UTC) + timedelta(seconds=seconds)
        with self._adding:
            if not self._stopping.is_set():
                self._scheduler.add_job(self.guarded, "date", (name, job), run_date=when, executor=kind)

    def once(self, name: str, job: Callable[[], None], kind: str, seconds: float = 0.0) -> None:
        """The same, once, however often that is asked for until the job begins."""
        with self._adding:
            if name in self._due:
                return
            self._due.add(name)

        def due() -> None:
            with self._adding:
                self._due.discard(name)
            job()

        self.run(name, due, kind, seconds)
