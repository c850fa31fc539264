"""Lets urgent work overtake long work: it runs between two pieces of it, and other work waits meanwhile.

Must not know what either does.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_BETWEEN = 0.1  # seconds of work without a pause, about
_PATIENCE = 2.0  # seconds that other work waits at most


class Overtaking:
    """Shared by long work, which is done in pieces, and urgent work.

    `urgent` does the urgent work that is waiting, and is called between two pieces; None if there never is
    any. Once `stopped` is set, long work ends after its present piece.
    """

    def __init__(self, stopped: threading.Event) -> None:
        self.urgent: Callable[[], None] | None = None
        self._stopped = stopped
        self._paths: set[str] = set()
        self._owner: int | None = None
        self._is_within = False
        self._paused = 0.0
        self._clear = threading.Event()
        self._clear.set()

    # -- long work ----------------------------------------------------------------------------------------

    @contextmanager
    def long_work(self) -> Iterator[None]:
        """The block is long work, in whose thread `pause` may do urgent work."""
        if self._owner is not None:  # this is urgent work itself, or another thread is doing long work
            yield
            return
        self._owner = threading.get_ident()
        self._paused = time.monotonic()
        try:
            yield
        finally:
            self._owner = None
            self._paths.clear()

    def pause(self) -> bool:
        """Do the urgent work that is waiting, if any. Returns whether to go on with the long work."""
        is_overtaken = self._is_within or not self._clear.is_set()  # nothing overtakes urgent work
        if self.urgent and not is_overtaken and self._owner == threading.get_ident():
            self._is_within = True
            try:
                self.urgent()
            finally:
                self._is_within = False
                self._paused = time.monotonic()
        return not self._stopped.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for so many seconds, but do urgent work meanwhile. Returns whether to go on."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopped.wait(min(left, _BETWEEN)):
            self.pause()
        return not self._stopped.is_set()

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items one by one, with pauses; they end early once `stopped` is set."""
        for item in items:
            if time.monotonic() > self._paused + _BETWEEN:
                self._paused = time.monotonic()
                if not self.pause():
                    return
            yield item

    # -- urgent work --------------------------------------------------------------------------------------

    @contextmanager
    def urgently(self) -> Iterator[None]:
        """The block is urgent work: callers of `give_way` wait until it is done."""
        self._clear.clear()
        try:
            yield
        finally:
            self._clear.set()

    def give_way(self) -> None:
        """Wait until no urgent work is under way, for two seconds at most."""
        self._clear.wait(_PATIENCE)

    def note(self, paths: Iterable[str]) -> None:
        """Note that urgent work is about to scan these files and folders."""
        if self._is_within and self._owner == threading.get_ident():
            self._paths.update(paths)

    def has_overtaken(self, path: str) -> bool:
        """Whether urgent work has scanned a file since the long work began, and so has a newer result."""
        if not self._paths or self._is_within or self._owner != threading.get_ident():
            return False
        while path:
            if path in self._paths:
                return True
            path = path.rpartition("/")[0]
        return "" in self._paths
