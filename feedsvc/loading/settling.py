"""When a story file that changed may be read: as soon as it is whole.

Knows neither files nor watchers: what happened to a path, and when, comes in. Instants are seconds of a
monotonic clock; paths are absolute, without links.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice
from typing import Literal, NamedTuple

_LEAST_PAUSE = 0.05  # seconds between two attempts to read a file, however short it has to be quiet
_MOST_PAUSE = 5.0  # seconds: a file that is open is tried again so often, in case nobody tells of its closing
_FIRST_RETRY = 1.0  # seconds until a file that could not be read is tried again; twice as long each time
_MOST_RETRY = 300.0
_MOST_LOOKED_AT = 1_000  # of what changed last, when something urgent is looked for
_MOST_ASKED = 5_000  # paths that are asked for at once, whether they were read before
_BETWEEN_OF_MANY = 1.0  # seconds between two times that some of many are urgent
_FEW_GONE = 20  # files, which may go whatever the limit on removals: as many as go by its default
_MOVE_GRACE = 0.5  # seconds, beside the quiet ones, that a deletion waits for what may take its place


class Kind(Enum):
    """What happened to a path."""

    CREATED = "created"
    """There is a new file, which somebody may go on writing."""
    TOUCHED = "touched"
    """Something happened that doesn't say whether anybody has the file open, such as a new mode or time."""
    WRITTEN = "written"
    """Somebody who has it open wrote to it."""
    CLOSED = "closed"
    """Somebody who could write to it closed it."""
    PLACED = "placed"
    """It was renamed into place, or linked there: it is whole. So is every file of a folder that was."""
    MOVED = "moved"
    """It was renamed away."""
    DELETED = "deleted"
    LOST = "lost"
    """Events were lost: anything may have happened anywhere."""


_GONE = {Kind.MOVED, Kind.DELETED}
URGENT = {*_GONE, Kind.PLACED}
"""What can be acted on at once."""


class State(NamedTuple):
    """What tells one state of a file from another: size in bytes, times of change of content and of inode."""

    size: int
    mtime_ns: int
    ctime_ns: int


class Known(NamedTuple):
    """What is known of a file that is to be read, besides what the file itself says.

    `placed`: it was renamed into place. `written`: it was written to, and nobody was seen closing it.
    `seen`: the state it had when it was looked at last, which was at least the quiet time ago.
    """

    placed: bool = False
    written: bool = False
    seen: State | None = None


NOTHING_KNOWN = Known()


class Unsettled(NamedTuple):
    """A file that is not to be read yet, in the state it was seen in.

    It is `open` for writing, `fresh` (changed too short a time ago), or `growing` (it changed while it was
    read). `path` is relative to the folder of stories.
    """

    path: str
    state: State
    reason: Literal["open", "fresh", "growing"]


@dataclass(slots=True)
class _Entry:
    """A path that something happened to, until it has been read."""

    since: float
    changed: float
    kind: Kind
    created: bool = False
    written: bool = False
    seen: State | None = None
    attempts: int = 0
    """How often it was found open in a row."""
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
        # A new mode, or the closing of what was renamed into place, makes it no less whole.
        if self.kind is not Kind.PLACED or kind not in {Kind.TOUCHED, Kind.CLOSED}:
            self.kind = kind

    def due(self, settle: float) -> float:
        """When it may be tried to read it, apart from what waits for others."""
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
    """A file that could not be read: how often it was tried, and when it is due again."""

    attempts: int
    due: float

    def again(self, now: float) -> "_Failure":
        return _Failure(self.attempts + 1, now + min(_MOST_RETRY, _FIRST_RETRY * 2.0**self.attempts))


class Settling:
    """The paths that changed and have not been read since. May be used by several threads.

    `settle` is how long (seconds) a file has to be quiet before it is read, unless it is renamed into place.
    """

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self._entries: dict[str, _Entry] = {}
        self._failures: dict[str, _Failure] = {}
        self._unasked: dict[str, None] = {}
        self._read_before: set[str] = set()
        """Of the entries' paths, those that were read before, as far as that was asked."""
        self._next_of_many = 0.0
        self._lock = threading.Lock()

    def note(self, path: str, kind: Kind, now: float) -> None:
        """Something happened to a path."""
        with self._lock:
            entry = self._entries.pop(path, None)
            if entry is None:
                entry = _Entry(now, now, kind)
                self._unasked[path] = None
            entry.note(kind, now)
            self._entries[path] = entry  # what changed last stands last

    def lose_track(self) -> None:
        """Events were lost: whether a file is open is known no more."""
        with self._lock:
            for entry in self._entries.values():
                entry.written = False

    def hold(self, path: str, found: Unsettled, now: float) -> None:
        """A file was not read, for it is not whole; it is due again later."""
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
        """The paths that are due, what changed last first.

        They are not given again unless something happens, or they are put back.
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
        """As `take`, but few paths, of files: for who takes them between two pieces of long work.

        `is_file` says, by its name, whether a path is one: a folder may hold very many. `known` are those of
        some paths that were read before, which may hold back what is published: they go before new ones, what
        changed last first. Of more than `most`, some are taken once a second. Files that are gone are among
        them if they are few: many are to be decided about together. One that may have been copied or moved to
        a place that is not due yet, or that long work is about to read, is not.
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
        """Learn which paths were read before: each is asked for once, what came last first."""
        with self._lock:
            asked = list(islice(reversed(self._unasked), _MOST_ASKED))
        found = known([path for path in asked if is_file(path)]) if asked else set()
        with self._lock:
            for path in asked:
                self._unasked.pop(path, None)
            self._read_before |= found & self._entries.keys()

    def _new(self, now: float, is_file: Callable[[str], bool]) -> list[str]:
        """Of the files that changed last, those that were not read before, are there, and may be read."""
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
        """All of them, or of more than `most` some, once a second: each has its feeds published at once."""
        if len(paths) <= most:
            return paths
        if now < self._next_of_many:
            return []
        self._next_of_many = now + _BETWEEN_OF_MANY
        return paths[:of_many]

    def _is_due_beside(self, path: str, now: float) -> bool:
        """Whether a path may be taken beside long work."""
        entry = self._entries.get(path)
        return entry is not None and not entry.taken and self._due_beside(entry) <= now

    def _due_beside(self, entry: _Entry) -> float:
        return entry.due(self.settle) + (self.settle + _MOVE_GRACE if entry.kind is Kind.DELETED else 0)

    def _moved_with(self, gone: Mapping[str, _Entry], found: set[str], now: float) -> list[str]:
        """Those of the files gone that may be acted on, after the files that may have taken their places."""
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
        """What was taken could not be read, for a reason that is not the files': have it due again."""
        with self._lock:
            for path in paths:
                if entry := self._entries.get(path):
                    entry.taken = False

    def done(self, paths: Iterable[str]) -> None:
        """What was taken was acted on."""
        with self._lock:
            for path in paths:
                entry = self._entries.get(path)
                if entry and entry.taken:
                    self._forget(path)

    def was_read(self, path: str, before: float) -> None:
        """A file was read, and what is known of it was asked for after the instant `before`."""
        with self._lock:
            entry = self._entries.get(path)
            if entry and entry.changed <= before:
                self._forget(path)

    def _forget(self, path: str) -> None:
        del self._entries[path]
        self._read_before.discard(path)
        self._unasked.pop(path, None)

    def failed(self, path: str, now: float) -> None:
        """A file could not be read: it is due again after a pause, longer each time, until it is `mended`."""
        with self._lock:
            if path not in self._failures:
                self._failures[path] = _Failure(0, now).again(now)

    def mended(self, path: str) -> None:
        """A file that may have failed was read, or is gone."""
        if self._failures:
            with self._lock:
                self._failures.pop(path, None)

    def known(self, path: str, now: float) -> Known | None:
        """What is known of a file that is about to be read; None if it isn't to be read yet."""
        if not self._entries:
            return NOTHING_KNOWN
        with self._lock:
            entry = self._entries.get(path)
            if entry is not None:
                if entry.taken or entry.due(self.settle) <= now:
                    return entry.known
                # It was open: whoever looks anyway may ask again, but its state then was no quiet one.
                return entry.known._replace(seen=None) if entry.attempts else None
            return Known(placed=True) if self._is_in_placed_folder(path) else NOTHING_KNOWN

    def next_due(self) -> float | None:
        """The instant at which a path is due next, which may be past; None if none waits."""
        with self._lock:
            arrivals = self._arrivals()
            waiting = (self._due(entry, arrivals) for entry in self._entries.values() if not entry.taken)
            return min(chain(waiting, (one.due for one in self._failures.values())), default=None)

    def unsettled_for(self, seconds: float, now: float) -> dict[str, float]:
        """The files that have been open, or changing, for longer than that: path → since when."""
        with self._lock:
            return {
                path: entry.since
                for path, entry in sorted(self._entries.items())
                if now - entry.since > seconds
                and entry.kind not in URGENT
                and (entry.attempts or entry.due(self.settle) > now)
            }

    def _due(self, entry: _Entry, arrivals: float) -> float:
        """A deletion waits for new files: one of them may be what was deleted, copied to another place."""
        due = entry.due(self.settle)
        if entry.kind is Kind.DELETED:
            return min(max(due, arrivals), due + self.settle + _MOVE_GRACE)
        return due

    def _arrivals(self) -> float:
        """When the last of the new files is due."""
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
