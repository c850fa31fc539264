"""Adds up the counters of all workers of one service, so that any worker can report the total.

Knows nothing of what is counted. Each worker writes its counts to a file of its own in a shared folder.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

_INTERVAL = 1.0  # seconds between two writes of a file

Counts = Mapping[tuple[str, int], int]


class WorkerCounters:
    """The counts of this process, current, and of the other workers, at most a second old.

    The file of a worker that died stays, so that no counter decreases. Without a folder (a process that is
    not one of a service's workers) only this process counts.
    """

    def __init__(self, own: Callable[[], Counts], folder: Path | None) -> None:
        self._own = own
        self._folder = folder
        self._file = f"{os.getpid()}-{time.monotonic_ns()}.json"
        self._written: Counts = {}
        self._due = 0.0

    def keep(self) -> None:
        """Write the counts for the other workers, if they have changed, at most once a second."""
        now = time.monotonic()
        if self._folder is None or now < self._due:
            return
        self._due = now + _INTERVAL
        counts = dict(self._own())
        if counts == self._written:
            return
        draft = self._folder / f".{self._file}"
        draft.write_text(json.dumps([[*key, count] for key, count in counts.items()]))
        draft.replace(self._folder / self._file)
        self._written = counts

    def total(self) -> Counts:
        """The counts of all workers, including those that have ended."""
        total = Counter(dict(self._own()))
        for file in self._folder.glob("*.json") if self._folder else ():
            if file.name != self._file:
                for fmt, status, count in json.loads(file.read_text()):
                    total[fmt, status] += count
        return dict(total)
