"""Log a fault that repeats once, then now and then with a count while it lasts, and when it is over.

Knows no fault: a caller that retries something names it, and reports each success and failure.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

_STILL: Final = 600.0
"""Seconds after which a fault that lasts is logged again, with the number of times it occurred."""
_AGAIN: Final = 60.0
"""Seconds: a fault that occurs again within so many after its end is the same fault."""
_LONGEST_PAUSE: Final = 30.0
_MOST: Final = 1_000
"""Most things that fail at a time with a count of their own; all others are counted as one."""


class Log(Protocol):
    """Where events are written: a structlog logger."""

    def info(self, event: str, **fields: Any) -> Any:
        """Write an event of that level."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Write an event of that level."""

    def error(self, event: str, **fields: Any) -> Any:
        """Write an event of that level."""


@dataclass(slots=True)
class _Standing:
    """A fault: how often it occurred in all (`times`), in a row (`tries`), since when, when last logged."""

    event: str
    began: float
    told: float
    times: int = 0
    tries: int = 0
    over_at: float | None = None
    is_told: bool = False
    reasons: set[str] = field(default_factory=set)


class Faults:
    """What fails at present of all that one part of the service retries; thread-safe.

    `log` gets one event for each reason of a failure, then one every ten minutes while the fault lasts, and
    `fault_over` at its end. `clock` gives monotonic seconds.
    """

    def __init__(self, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._standing: dict[str, _Standing] = {}

    def failed(self, what: str, event: str, reason: str, *, is_error: bool = False, **fields: Any) -> float:
        """Note that trying `what` failed; returns the seconds to wait until it is tried again: 1 to 30.

        `event` and `fields` are logged if the `reason` is new, or ten minutes after the last time. A reason
        is one sentence, which stays the same as long as the fault does.
        """
        now = self._clock()
        with self._lock:
            if what not in self._standing and len(self._standing) >= _MOST:
                what = ""
            fault = self._standing.get(what)
            if fault is None or (fault.over_at is not None and now - fault.over_at >= _AGAIN):
                fault = self._standing[what] = _Standing(event, now, now)
            fault.over_at = None
            fault.times += 1
            is_new = reason not in fault.reasons and len(fault.reasons) < _MOST
            is_due = is_new or now - fault.told >= _STILL
            fault.reasons.add(reason)
            fault.tries += 1
            times, tries = fault.times, fault.tries
            if is_due:
                fault.told, fault.is_told = now, True
        if is_due:
            count = {"times": times} if times > 1 else {}
            (self._log.error if is_error else self._log.warning)(event, reason=reason, **count, **fields)
        return min(2.0 ** min(tries - 1, 10), _LONGEST_PAUSE)

    def over(self, what: str) -> None:
        """Note that `what` succeeded. If it hadn't failed, that costs only a look-up."""
        fault = self._standing.get(what)
        if fault is None or fault.over_at is not None:
            return
        now = self._clock()
        with self._lock:
            fault.over_at, was_told, fault.is_told = now, fault.is_told, False
            fault.tries = 0
        if was_told and fault.times > 1:
            seconds = round(now - fault.began, 1)
            self._log.info("fault_over", fault=fault.event, what=what, times=fault.times, seconds=seconds)
