"""What happens below a folder, as the system tells it: a batch of events at a time.

Knows which names stories and their folders have, and nothing of what is done about an event.
"""

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from feedsvc.loading import walk
from feedsvc.settling import Kind

STEP = 0.02  # seconds of quiet after which what can be acted on at once is handed over
DEBOUNCE = 0.2  # seconds: the longest that a stream of events is gathered
IDLE = 1.0  # seconds between two looks at whether the folder is still the one that is watched


class Event(NamedTuple):
    """Something that happened to a path (absolute, without links)."""

    path: str
    kind: Kind


class Watch(Protocol):
    """Watches a folder and all that is below it, but for what is hidden or otherwise passed over."""

    @property
    def unwatched(self) -> Mapping[str, str]:
        """The folders that can't be watched, and why: whoever relies on the rest has to look at these."""
        ...

    def batches(self) -> Iterator[list[Event]]:
        """What happens, from now on; an empty batch now and then, the first one once all is watched.

        Ends when the folder is replaced by another, or after `stop`. Raises OSError if it can't be watched.
        """
        ...

    def stop(self) -> None:
        """Have it end soon; for any thread."""
        ...


def watch(folder: Path) -> Watch:
    """The best there is on this system. Only Linux tells when a file is closed, or renamed into place."""
    if sys.platform == "linux":
        from feedsvc.watching_inotify import InotifyWatch

        return InotifyWatch(folder)
    return PlainWatch(folder)


class PlainWatch:
    """A watch where the system says no more than that a path changed: macOS, Windows."""

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


def identity_of(folder: Path) -> tuple[int, int]:
    """What tells a folder from another that takes its place. Raises OSError if there is none."""
    seen = folder.stat()
    return seen.st_dev, seen.st_ino
