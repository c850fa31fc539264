"""Processes that serve until told to end: each is replaced when it dies, all of them by a new generation.

Knows nothing of what they serve.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from subprocess import PIPE, Popen

import structlog

log = structlog.get_logger(__name__)

_DEATHS_AT_START = 10  # in a row, before a process that never serves is started less often
_LONGEST_PAUSE = 30.0  # seconds between two such starts
_TICK = 0.02


class Signals:
    """The signals that this process received, queued for its main thread."""

    def __init__(self) -> None:
        self._came: SimpleQueue[int] = SimpleQueue()

    def note(self, *numbers: signal.Signals) -> None:
        """Queue these signals from now on."""
        for number in numbers:
            signal.signal(number, lambda came, _: self._came.put(came))

    def taken(self, seconds: float = 0.0) -> set[int]:
        """The signals received since the last call; if there are none, waits up to `seconds` for one."""
        found = set[int]()
        with suppress(Empty):
            found.add(self._came.get(timeout=seconds) if seconds else self._came.get_nowait())
            while True:
                found.add(self._came.get_nowait())
        return found


class Child:
    """A child process that calls the function named by `work`, written `package.module:function`.

    It inherits `descriptors`, and one to which it writes a byte once it serves; `handed`, called with the
    number of that one, returns the line that the child gets on its standard input. Standard input is closed
    when this process ends: then the child must end, too.
    """

    def __init__(self, work: str, handed: Callable[[int], bytes], descriptors: Sequence[int]) -> None:
        module, _, function = work.partition(":")
        # Nothing that imports leave behind is garbage: to look for some takes a tenth of the time to start.
        program = (
            f"import gc, sys; gc.disable(); sys.path[:] = {sys.path!r}; from {module} import {function}; "
            f"gc.enable(); {function}()"
        )
        self._ready, told = os.pipe()
        os.set_blocking(self._ready, False)
        # A terminal sends these signals to the whole process group, and this process handles them. A child
        # inherits that they are blocked, from its first instruction on.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            self._process = Popen(
                [sys.executable, "-c", program], stdin=PIPE, pass_fds=[*descriptors, told], bufsize=0
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(told)
        self.pid = self._process.pid
        self._is_ready = False
        with suppress(OSError):  # it died at once
            assert self._process.stdin
            self._process.stdin.write(handed(told) + b"\n")

    @property
    def is_ready(self) -> bool:
        """Whether it has begun to serve."""
        if not self._is_ready:
            with suppress(BlockingIOError):
                self._is_ready = bool(os.read(self._ready, 1))
        return self._is_ready

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """Its exit code; a signal as a negative number. None if it was not seen to end yet."""
        return self._process.returncode

    def tell_to_end(self) -> None:
        """Ask it to end."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Kill it if it has not ended, and close its pipes."""
        if self.is_alive:
            log.warning("process_killed", pid=self.pid)
            self._process.kill()
            self._process.wait()
        self.close()

    def close(self) -> None:
        """Close its pipes."""
        os.close(self._ready)
        if self._process.stdin:
            self._process.stdin.close()


@dataclass(slots=True)
class _Place:
    """A place in a generation: its process, and how many in a row died there before they served.

    No other process is started there before `not_before` (monotonic seconds).
    """

    child: Child
    deaths: int = 0
    not_before: float = 0.0

    def note_death(self) -> None:
        """Note that its process has ended."""
        self.deaths = 0 if self.child.is_ready else self.deaths + 1
        over = self.deaths - _DEATHS_AT_START
        self.not_before = time.monotonic() + min(2.0**over, _LONGEST_PAUSE) if over > 0 else 0.0


class Generation:
    """`number` processes, all started by `start`: each that dies is replaced at once.

    Only if more than ten in a row died in its place before they served is there a pause before the next one,
    longer each time.
    """

    def __init__(self, start: Callable[[], Child], number: int) -> None:
        self._start = start
        self._places = [_Place(start()) for _ in range(number)]
        self._deadline: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether all of them serve."""
        return all(place.child.is_ready for place in self._places)

    @property
    def has_failed(self) -> bool:
        """Whether one has died before it served."""
        return any(not place.child.is_alive and not place.child.is_ready for place in self._places)

    def tend(self) -> None:
        """Replace those that have died."""
        for place in self._places:
            dead = place.child
            if dead.is_alive:
                continue
            if not place.not_before:
                place.note_death()
            if time.monotonic() < place.not_before:
                continue
            dead.close()
            place.child, place.not_before = self._start(), 0.0
            log.warning("process_replaced", pid=dead.pid, code=dead.code, by=place.child.pid)

    def await_ready(self, seconds: float, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """Wait until all serve. False if one dies, after `seconds`, or once `is_wanted` returns False."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and is_wanted() and not self.has_failed:
            if self.is_ready:
                return True
            time.sleep(_TICK)
        return self.is_ready

    def tell_to_end(self, patience: float) -> None:
        """Ask all to end, unless asked before; those that haven't after `patience` seconds are killed."""
        if self._deadline is None:
            self._deadline = time.monotonic() + patience
            for place in self._places:
                place.child.tell_to_end()

    def has_ended(self) -> bool:
        """Whether all have ended, after `tell_to_end`; kills those whose time is up."""
        assert self._deadline is not None
        for place in [*self._places]:
            if not place.child.is_alive or time.monotonic() > self._deadline:
                place.child.end()
                self._places.remove(place)
        return not self._places

    def end(self) -> None:
        """Wait until all have ended, after `tell_to_end`."""
        while not self.has_ended():
            time.sleep(_TICK)


class Generations:
    """The generation that serves, and earlier ones that are ending, each for at most `patience` seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._serving: Generation | None = None
        self._ending: list[Generation] = []

    def succeed(self, new: Generation) -> None:
        """Make `new` the generation that serves; the one before is told to end."""
        self.tell_to_end()
        self._serving = new

    def retire(self, one: Generation) -> None:
        """Tell a generation to end."""
        one.tell_to_end(self._patience)
        self._ending.append(one)

    def tend(self) -> None:
        """Replace processes that have died, and forget generations that have ended."""
        if self._serving is not None:
            self._serving.tend()
        self._ending = [one for one in self._ending if not one.has_ended()]

    def tell_to_end(self) -> None:
        """Ask all to end."""
        if self._serving is not None:
            self.retire(self._serving)
            self._serving = None

    def end(self) -> None:
        """Ask all to end, and wait until they have."""
        self.tell_to_end()
        for one in self._ending:
            one.end()
