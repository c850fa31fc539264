"""Faults that repeat: each is logged once, with a count while it lasts and when it is over.

Knows no fault: whoever tries something again and again names what it tries, and says how it went.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

_STILL: Final = 600.0
"""Seconds after which a fault that goes on is logged again, with how often it was met."""
_LONGEST_PAUSE: Final = 30.0
_MOST: Final = 1_000
"""Of things that fail at a time, each with a count of its own; all others are counted as one."""


class Log(Protocol):
    """What events are written to: a logger of structlog."""

    def info(self, event: str, **fields: Any) -> Any:
        """Write an event of that level."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Write an event of that level."""

    def error(self, event: str, **fields: Any) -> Any:
        """Write an event of that level."""


@dataclass(slots=True)
class _Standing:
    """A fault that lasts: how often in all and in a row it was met, since when, when it was logged last."""

    event: str
    began: float
    told: float
    times: int = 0
    reasons: set[str] = field(default_factory=set)


class Faults:
    """What fails just now of all that a part of the service tries again and again; for any thread.

    `log` gets one event for each reason that something fails for, then one in ten minutes while it goes on,
    and `fault_over` at its end. `clock` gives monotonic seconds.
    """

    def __init__(self, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._standing: dict[str, _Standing] = {}

    def failed(self, what: str, event: str, reason: str, *, is_error: bool = False, **fields: Any) -> float:
        """Note that trying `what` failed; returns the seconds to wait until it is tried again: 1 to 30.

        `event` and `fields` are logged if the `reason` is new or it is time again. A reason is one sentence
        that is the same as long as the fault is.
        """
        now = self._clock()
        with self._lock:
            if what not in self._standing and len(self._standing) >= _MOST:
                what = ""
            fault = self._standing.setdefault(what, _Standing(event, now, now))
            fault.times += 1
            is_new = reason not in fault.reasons and len(fault.reasons) < _MOST
            is_due = is_new or now - fault.told >= _STILL
            fault.reasons.add(reason)
            times = fault.times
            if is_due:
                fault.told = now
        if is_due:
            count = {"times": times} if times > 1 else {}
            (self._log.error if is_error else self._log.warning)(event, reason=reason, **count, **fields)
        return min(2.0 ** min(times - 1, 10), _LONGEST_PAUSE)

    def over(self, what: str) -> None:
        """Note that `what` was done. Costs a look-up if it hadn't failed."""
        if what not in self._standing:
            return
        with self._lock:
            fault = self._standing.pop(what, None)
        if fault is not None and fault.times > 1:
            seconds = round(self._clock() - fault.began, 1)
            self._log.info("fault_over", fault=fault.event, what=what, times=fault.times, seconds=seconds)

    def is_any(self) -> bool:
        """Whether anything fails just now."""
        return bool(self._standing)
