"""Processes that serve until they are told to end: replaced when they die, or by a new generation of them.

Knows nothing of what they serve.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from subprocess import PIPE, Popen, TimeoutExpired

import structlog

log = structlog.get_logger(__name__)

_DEATHS_AT_START = 10  # before a process that doesn't come up is started less often
_LONGEST_PAUSE = 30.0  # seconds between two starts then
_TICK = 0.02


class Child:
    """One process of this program: `work` names a function, written `package.module:function`.

    It is given `handed`, a line on its standard input, which ends when this process does: then it is to end,
    too. It has `descriptors`, and `ready`, the number of one that it writes to when it serves.
    """

    def __init__(self, work: str, handed: Callable[[int], bytes], descriptors: Sequence[int]) -> None:
        module, _, function = work.partition(":")
        program = f"import sys; sys.path[:] = {sys.path!r}; from {module} import {function}; {function}()"
        self._ready, told = os.pipe()
        os.set_blocking(self._ready, False)
        # What a terminal sends to the whole group is for this process to act on: a child inherits that it is
        # blocked, from its first instruction on.
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
        """Whether it serves, or did."""
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
        """What it ended with; a signal as a negative number."""
        return self._process.returncode

    def tell_to_end(self) -> None:
        """Ask it to end."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Wait until it has ended; after `deadline` (monotonic seconds) it is killed."""
        try:
            self._process.wait(max(deadline - time.monotonic(), 0))
        except TimeoutExpired:
            log.warning("process_killed", pid=self.pid)
            self._process.kill()
            self._process.wait()
        self.close()

    def close(self) -> None:
        """Let go of its pipes."""
        os.close(self._ready)
        if self._process.stdin:
            self._process.stdin.close()


class Generation:
    """So many processes that `start` gives, all alike: each that dies is replaced at once.

    Only if ten in a row died before they served is there a pause before the next one, longer each time.
    """

    def __init__(self, start: Callable[[], Child], number: int) -> None:
        self._start = start
        self._children = [start() for _ in range(number)]
        self._deaths = 0
        self._not_before = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether all of them serve."""
        return all(child.is_ready for child in self._children)

    @property
    def has_failed(self) -> bool:
        """Whether one has died before it served."""
        return any(not child.is_alive and not child.is_ready for child in self._children)

    def tend(self) -> None:
        """Replace those that have died."""
        for place, child in enumerate(self._children):
            if child.is_ready:
                self._deaths = 0
            if child.is_alive or time.monotonic() < self._not_before:
                continue
            if not child.is_ready:
                self._deaths += 1
                over = self._deaths - _DEATHS_AT_START
                if over > 0:
                    self._not_before = time.monotonic() + min(2.0**over, _LONGEST_PAUSE)
            child.close()
            self._children[place] = self._start()
            log.warning("process_replaced", pid=child.pid, code=child.code, by=self._children[place].pid)

    def await_ready(self, seconds: float, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """Wait until all serve; False if one dies, if they take longer, or once they are not wanted."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and is_wanted() and not self.has_failed:
            if self.is_ready:
                return True
            time.sleep(_TICK)
        return self.is_ready

    def tell_to_end(self) -> None:
        """Ask all to end."""
        for child in self._children:
            child.tell_to_end()

    def end(self, patience: float) -> None:
        """Have all end; those that haven't after `patience` seconds are killed."""
        self.tell_to_end()
        deadline = time.monotonic() + patience
        for child in self._children:
            child.end(deadline)
