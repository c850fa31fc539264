"""Watches the folder of stories by the best means that the system has.

Knows which names stories have; must not know what is done about an event.
"""

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from feedsvc.loading import walk
from feedsvc.loading.settling import Kind
from feedsvc.refresh.watch_events import DEBOUNCE, IDLE, STEP, Event, Watch, identity_of


def watch(folder: Path) -> Watch:
    """The best watch on this system. Only Linux reports when a file is closed, or renamed into place."""
    if sys.platform == "linux":
        from feedsvc.refresh.watch_inotify import InotifyWatch

        return InotifyWatch(folder)
    return PlainWatch(folder)


class PlainWatch:
    """A watch for systems that report only that a path changed: macOS, Windows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stopping = threading.Event()
        self.unwatched: Mapping[str, str] = {}

    def batches(self) -> Iterator[list[Event]]:
        """See `Watch`."""
        from watchfiles import Change
        from watchfiles import watch as watched

        folder = os.path.realpath(self._folder)
        identity = identity_of(self._folder)
        changes = watched(
            folder,
            watch_filter=None,
            debounce=int(DEBOUNCE * 1000),
            step=int(STEP * 1000),
            rust_timeout=int(IDLE * 1000),
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
        )
        for found in changes:
            yield [Event(p, Kind.DELETED if c == Change.deleted else Kind.TOUCHED) for c, p in found]
            if not found and identity_of(self._folder) != identity:
                return

    def stop(self) -> None:
        """See `Watch`."""
        self._stopping.set()


def is_story(path: str) -> bool:
    """Whether a file at that path would be a story, by its name."""
    return walk.is_story_name(path)
