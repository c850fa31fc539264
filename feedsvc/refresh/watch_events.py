"""The interface of a watch of a folder, which yields events in batches.

Must not know how a system reports changes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from feedsvc.loading.settling import Kind

STEP = 0.02  # seconds without a further urgent event after which a batch is handed over
DEBOUNCE = 0.2  # seconds: the longest that events are gathered into one batch
IDLE = 1.0  # seconds between two checks that the folder is still the one that is watched


class Event(NamedTuple):
    """Something that happened to a path (absolute, without links)."""

    path: str
    kind: Kind


class Watch(Protocol):
    """Watches a folder and everything below it, except what is hidden or ignored for another reason."""

    @property
    def unwatched(self) -> Mapping[str, str]:
        """The folders that can't be watched → why. They have to be scanned instead."""
        ...

    def batches(self) -> Iterator[list[Event]]:
        """Events from now on. Some batches are empty, as is the first, which comes once all is watched.

        Ends when the folder is replaced by another, or after `stop`. Raises OSError if it can't be watched.
        """
        ...

    def stop(self) -> None:
        """Have `batches` end soon; for any thread."""
        ...


def identity_of(folder: Path) -> tuple[int, int]:
    """What distinguishes a folder from another at the same path. Raises OSError if there is none."""
    seen = folder.stat()
    return seen.st_dev, seen.st_ino
