"""Jobs run by APScheduler: at intervals, at an instant, and again soon if they fail.

Knows no job. Jobs live in memory: what must not be lost is noted in the store by those who do the work.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from feedsvc.store import trouble
from feedsvc.util.repeated_faults import Faults

log = structlog.get_logger(__name__)

Job = Callable[[], None]


class Jobs:
    """Runs jobs in a thread for each of `executors`. `on_missing` is called if the store seems to be gone.

    A job that fails is run again soon, and less often the longer it fails; that is logged once, with a count.
    """

    def __init__(self, executors: Sequence[str], on_missing: Callable[[], None]) -> None:
        self._on_missing = on_missing
        self._faults = Faults(log)
        self._adding = threading.Lock()
        self._due = set[str]()
        self._is_ending = False
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={name: ThreadPoolExecutor(1) for name in executors},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def refuse_more(self) -> None:
        """Run nothing that has not begun."""
        with self._adding:  # a job that adds another now would wait for the scheduler, which waits for it
            self._is_ending = True

    def stop(self) -> None:
        """End, once what is under way is finished."""
        self.refuse_more()
        if self._scheduler.running:
            # Shut down amid a look at what is due, it would not find again what it has just begun: no look
            # begins while it is paused, and the list of jobs is to be had when none is under way.
            self._scheduler.pause()
            self._scheduler.get_jobs()
            self._scheduler.shutdown(wait=True)

    def every(self, seconds: int, name: str, job: Job, executor: str, first: datetime | None = None) -> None:
        """Have a job run at an interval, the first time at `first` (aware UTC) or after one interval."""
        more = {"next_run_time": first} if first else {}
        self._scheduler.add_job(
            self.guarded,
            "interval",
            (name, job, executor),
            seconds=seconds,
            id=name,
            name=name,
            executor=executor,
            **more,
        )

    def run(self, name: str, job: Job, executor: str, seconds: float = 0.0) -> None:
        """Have a job run once, in so many seconds or as soon as may be, with those of that kind."""
        self._add(name, job, _in(seconds), executor)

    def once(self, name: str, job: Job, executor: str, seconds: float = 0.0) -> None:
        """The same; asked for again before the job begins, it is not run twice."""
        with self._adding:
            if name in self._due:
                return
            self._due.add(name)

        def due() -> None:
            with self._adding:
                self._due.discard(name)
            job()

        self.run(name, due, executor, seconds)

    def again(self, name: str, job: Job, seconds: float, executor: str) -> None:
        """Have a job run once, in so many seconds; however often it is asked for meanwhile, at the last."""
        self._add(name, job, _in(seconds), executor, id=f"{name}-again", replace_existing=True)

    def at(self, instant: datetime, name: str, job: Job, executor: str) -> None:
        """Have a job run at an instant (aware UTC), and no longer at the one that was given before."""
        # Several instances: the next instant may come while the job that gives it is still running.
        self._add(name, job, instant, executor, id=name, replace_existing=True, max_instances=8)

    def _add(self, name: str, job: Job, at: datetime, executor: str, **more: object) -> None:
        with self._adding:
            if not self._is_ending:
                self._scheduler.add_job(
                    self.guarded, "date", (name, job, executor), run_date=at, executor=executor, **more
                )

    def guarded(self, name: str, job: Job, executor: str) -> None:
        """Run a job here and now; if it fails, have it run again."""
        if self._is_ending:
            return
        try:
            job()
        except Exception as error:  # what it left undone is still dirty
            self.again(name, job, self._failed(name, error), executor)
            if isinstance(error, trouble.FAULTS) and trouble.of(error).condition == trouble.MISSING:
                self._on_missing()
        else:
            self._faults.over(name)

    def _failed(self, name: str, error: Exception) -> float:
        """Log that a job failed; returns the seconds until it is to be tried again."""
        if isinstance(error, trouble.FAULTS):
            return self._faults.failed(
                name,
                "job_failed",
                trouble.of(error).words,
                is_error=True,
                job=name,
                error=type(error).__name__,
            )
        # Where nobody thought of it, the place is wanted, too.
        more = {} if isinstance(error, OSError) else {"exc_info": True}
        return self._faults.failed(name, "job_failed", repr(error), is_error=True, job=name, **more)


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
