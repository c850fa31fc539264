"""Urgent work overtakes long work: it is done between two pieces of that, and others give way meanwhile.

Knows nothing of what either does.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_BETWEEN = 0.1  # seconds of work without a pause, about
_PATIENCE = 2.0  # seconds that others give way at most


class Overtaking:
    """Shared by those who do long work, in pieces, and by who has something urgent.

    `urgent` is called between two pieces; None as long as nobody has anything urgent. Once `stopped` is set,
    long work ends after its present piece.
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
        """Work whose thread may be lent to what is urgent, in `pause`."""
        if self._owner is not None:  # urgent work itself, or another thread's
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
        """Do what is urgent, if anything is. Returns whether to go on with the long work."""
        is_overtaken = self._is_within or not self._clear.is_set()  # what is urgent is overtaken by nothing
        if self.urgent and not is_overtaken and self._owner == threading.get_ident():
            self._is_within = True
            try:
                self.urgent()
            finally:
                self._is_within = False
                self._paused = time.monotonic()
        return not self._stopped.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait, but for what is urgent. Returns whether to go on."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopped.wait(min(left, _BETWEEN)):
            self.pause()
        return not self._stopped.is_set()

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items one by one, with pauses; they end early once all is to end."""
        for item in items:
            if time.monotonic() > self._paused + _BETWEEN:
                self._paused = time.monotonic()
                if not self.pause():
                    return
            yield item

    # -- urgent work --------------------------------------------------------------------------------------

    @contextmanager
    def urgently(self) -> Iterator[None]:
        """Urgent work: whoever asks `give_way` waits until it is done."""
        self._clear.clear()
        try:
            yield
        finally:
            self._clear.set()

    def give_way(self) -> None:
        """Wait until no urgent work is under way."""
        self._clear.wait(_PATIENCE)

    def note(self, paths: Iterable[str]) -> None:
        """Urgent work is about to look at these files and folders."""
        if self._is_within and self._owner == threading.get_ident():
            self._paths.update(paths)

    def has_overtaken(self, path: str) -> bool:
        """Whether urgent work has looked at a file since the long work began, so that it knows better."""
        if not self._paths or self._is_within or self._owner != threading.get_ident():
            return False
        while path:
            if path in self._paths:
                return True
            path = path.rpartition("/")[0]
        return "" in self._paths
