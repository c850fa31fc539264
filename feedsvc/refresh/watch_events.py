"""What a watch of a folder is, and what it tells: events, a batch at a time.

Must not know how a system tells of changes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from feedsvc.loading.settling import Kind

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


def identity_of(folder: Path) -> tuple[int, int]:
    """What tells a folder from another that takes its place. Raises OSError if there is none."""
    seen = folder.stat()
    return seen.st_dev, seen.st_ino
