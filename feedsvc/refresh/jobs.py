"""Runs jobs with APScheduler: at intervals, at an instant, and again soon if they fail.

Must not know any job. Jobs are only in memory: whoever does the work records in the store what must not be
lost.
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
        """Start to run jobs."""
        self._scheduler.start()

    def refuse_more(self) -> None:
        """Start no more jobs."""
        with self._adding:  # a job that added another later would wait for the scheduler, which waits for it
            self._is_ending = True

    def stop(self) -> None:
        """Stop, once the jobs under way have finished."""
        self.refuse_more()
        if self._scheduler.running:
            # If it is shut down while it processes due jobs, it does not find again the job it has just
            # started. While paused it does not begin to process jobs, and `get_jobs` waits until it has done.
            self._scheduler.pause()
            self._scheduler.get_jobs()
            self._scheduler.shutdown(wait=True)

    def every(self, seconds: int, name: str, job: Job, executor: str, first: datetime | None = None) -> None:
        """Run a job at an interval (seconds), the first time at `first` (aware UTC) or after one interval."""
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
        """Run a job once, after `seconds` or as soon as possible, in the executor's thread."""
        self._add(name, job, _in(seconds), executor)

    def once(self, name: str, job: Job, executor: str, seconds: float = 0.0) -> None:
        """Like `run`, but requests that come before the job has begun are one."""
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
        """Run a job once, after `seconds`; a later request replaces one that is still waiting."""
        self._add(name, job, _in(seconds), executor, id=f"{name}-again", replace_existing=True)

    def at(self, instant: datetime, name: str, job: Job, executor: str) -> None:
        """Run a job at an instant (aware UTC), and no longer at the one that was given before."""
        # Several instances: the next instant may come while the job that scheduled it is still running.
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
        # Any other error is unexpected: log the traceback, too.
        more = {} if isinstance(error, OSError) else {"exc_info": True}
        return self._faults.failed(name, "job_failed", repr(error), is_error=True, job=name, **more)


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
