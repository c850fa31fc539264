"""Decides when a changed story file may be read: as soon as it is complete.

Must not know files or watchers: events (a path, what happened to it, and when) are passed in. Instants are
seconds of a monotonic clock; paths are absolute, with symbolic links resolved.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice
from typing import Literal, NamedTuple

_LEAST_PAUSE = 0.05  # seconds between two attempts to read a file, even if `settle` is shorter
_MOST_PAUSE = 5.0  # seconds between attempts to read an open file, as the event of its closing may be missing
_FIRST_RETRY = 1.0  # seconds until a file that could not be read is tried again; doubled each time
_MOST_RETRY = 300.0
_MOST_LOOKED_AT = 1_000  # latest changes that `take_urgent` searches for new files
_MOST_ASKED = 5_000  # paths that are looked up at once, to learn which were read before
_BETWEEN_OF_MANY = 1.0  # seconds between two times that `take_urgent` takes some of many paths
_FEW_GONE = 20  # deleted files that `take_urgent` takes at most; the default limit on removals allows as many
_MOVE_GRACE = 0.5  # seconds, beyond `settle`, that a deletion waits for the same file at another place


class Kind(Enum):
    """What happened to a path."""

    CREATED = "created"
    """A new file appeared, which a program may still be writing."""
    TOUCHED = "touched"
    """A change that doesn't show whether a program has the file open, such as a new mode or mtime."""
    WRITTEN = "written"
    """A program that has the file open wrote to it."""
    CLOSED = "closed"
    """A program that had the file open for writing closed it."""
    PLACED = "placed"
    """It was renamed or linked into place, so it is complete; if it is a folder, so is every file in it."""
    MOVED = "moved"
    """It was renamed to another place."""
    DELETED = "deleted"
    LOST = "lost"
    """Events were lost: any path may have changed."""


_GONE = {Kind.MOVED, Kind.DELETED}
URGENT = {*_GONE, Kind.PLACED}
"""Events that can be acted on at once, as the file is gone or complete."""


class State(NamedTuple):
    """Identifies a state of a file: size in bytes, and times of change of its content and of its inode."""

    size: int
    mtime_ns: int
    ctime_ns: int


class Known(NamedTuple):
    """What the watcher knows about a file that is to be read.

    `placed`: it was renamed into place. `written`: it was written to, and no event of closing followed.
    `seen`: its state when it was last looked at, at least the settling time ago.
    """

    placed: bool = False
    written: bool = False
    seen: State | None = None


NOTHING_KNOWN = Known()


class Unsettled(NamedTuple):
    """A file that must not be read yet, with the state that it was seen in.

    `reason`: it is `open` for writing, `fresh` (it changed less than the settling time ago), or `growing` (it
    changed while it was read). `path` is relative to the folder of stories.
    """

    path: str
    state: State
    reason: Literal["open", "fresh", "growing"]


@dataclass(slots=True)
class _Entry:
    """The events of one path since it was last read."""

    since: float
    changed: float
    kind: Kind
    created: bool = False
    written: bool = False
    seen: State | None = None
    attempts: int = 0
    """How many times in a row it was found open."""
    taken: bool = False

    def note(self, kind: Kind, now: float) -> None:
        self.changed = now
        self.attempts = 0
        self.taken = False
        self.seen = None
        if kind in _GONE or kind is Kind.PLACED:
            self.written = self.created = False
        elif kind is Kind.WRITTEN:
            self.written = True
        elif kind is Kind.CLOSED:
            self.written = False
        self.created = self.created or kind is Kind.CREATED
        # A file that was renamed into place stays complete when its mode changes or a program closes it.
        if self.kind is not Kind.PLACED or kind not in {Kind.TOUCHED, Kind.CLOSED}:
            self.kind = kind

    def due(self, settle: float) -> float:
        """The instant from which the file may be read, waits for other files aside (see `Settling._due`)."""
        if self.kind in URGENT:
            return self.changed
        pause = settle
        if self.attempts:
            pause = min(_MOST_PAUSE, max(settle, _LEAST_PAUSE) * 2**self.attempts)
        elif self.seen:
            pause = max(settle, _LEAST_PAUSE)
        return self.changed + pause

    @property
    def known(self) -> Known:
        return Known(self.kind is Kind.PLACED, self.written, self.seen)


class _Failure(NamedTuple):
    """A file that could not be read: the number of attempts, and the instant of the next one."""

    attempts: int
    due: float

    def again(self, now: float) -> "_Failure":
        return _Failure(self.attempts + 1, now + min(_MOST_RETRY, _FIRST_RETRY * 2.0**self.attempts))


class Settling:
    """The paths that changed and have not been read since. Thread-safe.

    `settle` is how long (seconds) a file must have been unchanged before it is read, unless it was renamed
    into place.
    """

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self._entries: dict[str, _Entry] = {}
        self._failures: dict[str, _Failure] = {}
        self._unasked: dict[str, None] = {}
        self._read_before: set[str] = set()
        """Those paths of `_entries` that were read before; `_unasked` holds those not looked up yet."""
        self._next_of_many = 0.0
        self._lock = threading.Lock()

    def note(self, path: str, kind: Kind, now: float) -> None:
        """Record an event of a path, at the instant `now`."""
        with self._lock:
            entry = self._entries.pop(path, None)
            if entry is None:
                entry = _Entry(now, now, kind)
                self._unasked[path] = None
            entry.note(kind, now)
            self._entries[path] = entry  # moves it to the end: entries are in order of their last change

    def lose_track(self) -> None:
        """Record that events were lost, so that it is unknown which files are open."""
        with self._lock:
            for entry in self._entries.values():
                entry.written = False

    def hold(self, path: str, found: Unsettled, now: float) -> None:
        """Record that a file was not read because it may be incomplete; it becomes due again later."""
        with self._lock:
            entry = self._entries.get(path)
            if entry is None:
                entry = self._entries[path] = _Entry(now, now, Kind.TOUCHED)
                self._unasked[path] = None
            elif entry.kind in URGENT:
                entry.kind = Kind.TOUCHED
            entry.changed = now
            entry.taken = False
            entry.seen = found.state
            entry.attempts = min(entry.attempts + 1, 16) if found.reason == "open" else 0

    def take(self, now: float) -> list[str]:
        """The paths that are due, the latest change first; failed files follow.

        A path is not returned again until another event, or `put_back`.
        """
        with self._lock:
            arrivals = self._arrivals()
            due = {
                path: entry
                for path, entry in self._entries.items()
                if not entry.taken and self._due(entry, arrivals) <= now
            }
            for entry in due.values():
                entry.taken = True
            failed = [path for path, failure in self._failures.items() if failure.due <= now]
            for path in failed:
                self._failures[path] = self._failures[path].again(now)
        return [*reversed(due), *(path for path in failed if path not in due)]

    def take_urgent(
        self, now: float, most: int, is_file: Callable[[str], bool], known: Callable[[list[str]], set[str]]
    ) -> list[str]:
        """As `take`, but few paths, and only of files, to be loaded between the batches of a long load.

        `is_file` tells by its name whether a path is a file: a folder may hold very many. `known` returns
        those of the given paths that were read before: they may hold back a published story, so they come
        before new files, the latest change first. If more than `most` paths are due, some of them are taken
        once a second. Deleted files are included if they are few; many must be decided on together. A deleted
        file is not included if it may have been copied or moved to a place that is not due yet, or that the
        long load is about to read.
        """
        self._ask(is_file, known)
        with self._lock:
            due = {path: self._entries[path] for path in self._read_before if self._is_due_beside(path, now)}
            gone = {path: entry for path, entry in due.items() if entry.kind in _GONE}
            there = sorted(due.keys() - gone.keys(), key=lambda path: due[path].changed, reverse=True)
            found = self._some(there, now, most, most) or self._some(self._new(now, is_file), now, most, 1)
            if gone and len(gone) <= _FEW_GONE:
                found += self._moved_with(gone, set(found), now)
            for path in found:
                self._entries[path].taken = True
        return found

    def _ask(self, is_file: Callable[[str], bool], known: Callable[[list[str]], set[str]]) -> None:
        """Look up which paths were read before; each path is looked up once, the latest first."""
        with self._lock:
            asked = list(islice(reversed(self._unasked), _MOST_ASKED))
        found = known([path for path in asked if is_file(path)]) if asked else set()
        with self._lock:
            for path in asked:
                self._unasked.pop(path, None)
            self._read_before |= found & self._entries.keys()

    def _new(self, now: float, is_file: Callable[[str], bool]) -> list[str]:
        """Of the latest changes, the files that exist, were not read before, and are due."""
        recent = islice(reversed(self._entries.items()), _MOST_LOOKED_AT)
        return [
            path
            for path, entry in recent
            if entry.kind not in _GONE
            and path not in self._read_before
            and self._is_due_beside(path, now)
            and is_file(path)
        ]

    def _some(self, paths: list[str], now: float, most: int, of_many: int) -> list[str]:
        """All `paths`; if they are more than `most`, only the first `of_many`, once a second.

        The feeds of each are published at once, which takes time from the long load.
        """
        if len(paths) <= most:
            return paths
        if now < self._next_of_many:
            return []
        self._next_of_many = now + _BETWEEN_OF_MANY
        return paths[:of_many]

    def _is_due_beside(self, path: str, now: float) -> bool:
        """Whether a path may be taken during a long load."""
        entry = self._entries.get(path)
        return entry is not None and not entry.taken and self._due_beside(entry) <= now

    def _due_beside(self, entry: _Entry) -> float:
        return entry.due(self.settle) + (self.settle + _MOVE_GRACE if entry.kind is Kind.DELETED else 0)

    def _moved_with(self, gone: Mapping[str, _Entry], found: set[str], now: float) -> list[str]:
        """The deleted files that may be acted on, each after the files to which it may have been moved.

        These are the files with the same name, or renamed into place at the same instant.
        """
        names = {path: path.rpartition("/")[2] for path in gone}
        wanted = set(names.values())
        moments = {entry.changed for entry in gone.values()}
        alike: dict[str, list[str]] = {}
        together: dict[float, list[str]] = {}
        for path, entry in self._entries.items():
            if entry.kind in _GONE:
                continue
            if (name := path.rpartition("/")[2]) in wanted:
                alike.setdefault(name, []).append(path)
            if entry.kind is Kind.PLACED and entry.changed in moments:
                together.setdefault(entry.changed, []).append(path)
        taken: list[str] = []
        for path, entry in gone.items():
            places = {*alike.get(names[path], ()), *together.get(entry.changed, ())}
            if all(place in found or self._is_due_beside(place, now) for place in places):
                taken += [*sorted(places - found), path]
                found |= {*places, path}
        return taken

    def put_back(self, paths: Iterable[str]) -> None:
        """Make taken paths due again: they could not be read, for a reason that is not in the files."""
        with self._lock:
            for path in paths:
                if entry := self._entries.get(path):
                    entry.taken = False

    def done(self, paths: Iterable[str]) -> None:
        """Forget taken paths that have been dealt with, unless another event followed."""
        with self._lock:
            for path in paths:
                entry = self._entries.get(path)
                if entry and entry.taken:
                    self._forget(path)

    def was_read(self, path: str, before: float) -> None:
        """Forget a file that has been read, unless it changed after the instant `before`.

        The caller asked for `known` after that instant.
        """
        with self._lock:
            entry = self._entries.get(path)
            if entry and entry.changed <= before:
                self._forget(path)

    def _forget(self, path: str) -> None:
        del self._entries[path]
        self._read_before.discard(path)
        self._unasked.pop(path, None)

    def failed(self, path: str, now: float) -> None:
        """Record that a file could not be read: it is tried again after ever longer pauses until `mended`."""
        with self._lock:
            if path not in self._failures:
                self._failures[path] = _Failure(0, now).again(now)

    def mended(self, path: str) -> None:
        """Record that a file that may have failed before was read, or is gone."""
        if self._failures:
            with self._lock:
                self._failures.pop(path, None)

    def known(self, path: str, now: float) -> Known | None:
        """What is known about a file that is about to be read; None if it must not be read yet."""
        if not self._entries:
            return NOTHING_KNOWN
        with self._lock:
            entry = self._entries.get(path)
            if entry is not None:
                if entry.taken or entry.due(self.settle) <= now:
                    return entry.known
                # It was open at the last attempt: the caller may try again, but must not take the state seen
                # then for a settled one.
                return entry.known._replace(seen=None) if entry.attempts else None
            return Known(placed=True) if self._is_in_placed_folder(path) else NOTHING_KNOWN

    def next_due(self) -> float | None:
        """The instant at which the next path is due, which may be in the past; None if no path waits."""
        with self._lock:
            arrivals = self._arrivals()
            waiting = (self._due(entry, arrivals) for entry in self._entries.values() if not entry.taken)
            return min(chain(waiting, (one.due for one in self._failures.values())), default=None)

    def unsettled_for(self, seconds: float, now: float) -> dict[str, float]:
        """The files open or changing for more than `seconds`: path → instant of the first event."""
        with self._lock:
            return {
                path: entry.since
                for path, entry in sorted(self._entries.items())
                if now - entry.since > seconds
                and entry.kind not in URGENT
                and (entry.attempts or entry.due(self.settle) > now)
            }

    def _due(self, entry: _Entry, arrivals: float) -> float:
        """When a path is due. A deletion waits for new files: one may be a copy of the deleted file."""
        due = entry.due(self.settle)
        if entry.kind is Kind.DELETED:
            return min(max(due, arrivals), due + self.settle + _MOVE_GRACE)
        return due

    def _arrivals(self) -> float:
        """The instant at which the last of the new files is due; 0 if there is none."""
        return max(
            (entry.due(self.settle) for entry in self._entries.values() if entry.created and not entry.taken),
            default=0.0,
        )

    def _is_in_placed_folder(self, path: str) -> bool:
        while (path := path.rpartition("/")[0]) != "":
            entry = self._entries.get(path)
            if entry is not None and entry.kind is Kind.PLACED:
                return True
        return False
