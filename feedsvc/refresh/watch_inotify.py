"""A watch by Linux's inotify (inotify(7)), which reports the files that were closed or renamed into place.

Knows which names stories and their folders have; must not know what is done about an event.
"""

import errno
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
from inotify_simple import INotify, flags, parse_events

from feedsvc.loading import walk
from feedsvc.loading.settling import URGENT, Kind
from feedsvc.refresh.inotify_limits import raised, remedy_for, silent_file_system
from feedsvc.refresh.watch_events import DEBOUNCE, IDLE, STEP, Event, identity_of
from feedsvc.refresh.watch_links import Links

log = structlog.get_logger(__name__)

_MASK: Final = int(
    flags.CREATE
    | flags.MODIFY
    | flags.ATTRIB
    | flags.CLOSE_WRITE
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.DELETE
    | flags.ONLYDIR
    | flags.DONT_FOLLOW
    | flags.EXCL_UNLINK  # writes to a file that was replaced would be taken for writes to its successor
)
# Plain numbers: an IntFlag's arithmetic takes longer than all else that is done about an event.
_CREATE, _MODIFY, _ATTRIB = int(flags.CREATE), int(flags.MODIFY), int(flags.ATTRIB)
_CLOSE_WRITE, _DELETE = int(flags.CLOSE_WRITE), int(flags.DELETE)
_MOVED_FROM, _MOVED_TO = int(flags.MOVED_FROM), int(flags.MOVED_TO)
_IS_FOLDER, _IGNORED, _OVERFLOW = int(flags.ISDIR), int(flags.IGNORED), int(flags.Q_OVERFLOW)
_RETRY = 10.0  # seconds until folders that couldn't be watched are tried again


_PIECE: Final = 262_144  # bytes that are read at once: some thousands of events
_MOST: Final = 64_000_000  # bytes of waiting events: a million or more
_BREATH: Final = 0.002  # seconds between reads: some events gather, far fewer than the kernel's queue holds
_QUIET_SECONDS = 600.0  # in which lost events are logged once


class InotifyWatch:
    """Watches a folder; see `watch_events.Watch`. Links are not followed: their targets are watched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stopped = threading.Event()
        self._queue: _Queue | None = None
        self.unwatched: dict[str, str] = {}

    def stop(self) -> None:
        """See `watch_events.Watch`."""
        self._stopped.set()
        if queue := self._queue:
            queue.arrived.set()

    def batches(self) -> Iterator[list[Event]]:
        """See `watch_events.Watch`. Also raises OSError if no more instances of inotify are allowed."""
        root = os.path.realpath(self._folder)
        identity = identity_of(self._folder)
        with _instance() as inotify, _emptied(inotify) as queue:
            self._queue = queue
            tree = _Tree(inotify, queue, root, self.unwatched)
            tree.watch_all()
            yield []
            checked = tried = time.monotonic()
            while not self._stopped.is_set():
                events = self._gathered(tree, queue)
                now = time.monotonic()
                if self.unwatched and now > tried + _RETRY:
                    tried = now
                    events += tree.try_again()
                if now >= checked + IDLE:
                    checked = now
                    if identity_of(self._folder) != identity:
                        return
                yield events

    def _gathered(self, tree: "_Tree", queue: "_Queue") -> list[Event]:
        """The events of one burst; none if nothing happens for a second (`IDLE`)."""
        if not queue.arrived.wait(IDLE):
            return []
        until = time.monotonic() + DEBOUNCE
        gathered = tree.read()
        if not _any_urgent(gathered):
            self._stopped.wait(STEP)  # so that a stream of writes does not make a batch of each of them
            gathered += tree.read()
        found = gathered
        # A program that writes all the time must not delay other files: only urgent events prolong the batch.
        while _any_urgent(found) and time.monotonic() < until and not self._stopped.wait(STEP):
            found = tree.read()
            gathered = gathered + found
        return gathered


def _any_urgent(events: list[Event]) -> bool:
    return any(event.kind in URGENT for event in events)


def _instance() -> INotify:
    try:
        return INotify(nonblocking=True)
    except OSError as error:
        if error.errno == errno.EMFILE:
            told = f"no more instances of inotify; {raised('instances')} allows more"
            raise OSError(error.errno, told) from None
        raise


class _Queue:
    """Events from the kernel's queue, which is short and would overflow while events are processed.

    `arrived` is set while there is something to take.
    """

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._pieces: deque[bytes] = deque()
        self._put = self._taken = 0  # total bytes; each counter belongs to one thread

    def put(self, piece: bytes) -> None:
        """Add what was read from the kernel's queue."""
        self._put += len(piece)
        self._pieces.append(piece)
        self.arrived.set()

    def take(self) -> bytes:
        """Remove and return the oldest piece; empty bytes if there is none."""
        self.arrived.clear()
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        self._taken += len(piece)
        if self._pieces:
            self.arrived.set()
        return piece

    @property
    def is_full(self) -> bool:
        """Whether so much waits that a scan of the folder takes no longer: further events may be lost."""
        return self._put - self._taken > _MOST


@contextmanager
def _emptied(inotify: INotify) -> Iterator[_Queue]:
    """During the block, have a dedicated thread move events from the kernel's queue into another one."""
    queue = _Queue()
    ended, end = os.pipe()
    thread = threading.Thread(
        target=_empty, args=(inotify.fileno(), ended, queue), name="feedsvc-inotify", daemon=True
    )
    thread.start()
    try:
        yield queue
    finally:
        os.close(end)
        thread.join()
        os.close(ended)


def _empty(file: int, ended: int, queue: _Queue) -> None:
    poller = select.poll()
    poller.register(file, select.POLLIN)
    poller.register(ended, 0)  # reports that the pipe's other end was closed
    while not any(found == ended for found, _ in poller.poll()):
        if not queue.is_full:
            with suppress(BlockingIOError):
                queue.put(os.read(file, _PIECE))
        time.sleep(_BREATH)


class _Tree:
    """The watches of one instance of inotify on a folder and those below it."""

    def __init__(self, inotify: INotify, queue: _Queue, root: str, unwatched: dict[str, str]) -> None:
        self._inotify = inotify
        self._queue = queue
        self._root = root
        self._paths: dict[int, str] = {}
        self._moving: dict[int, str] = {}
        """Folders that were renamed away, by inotify's cookie: the event at a new, watched path has it."""
        self._unwatched = unwatched
        self._links = Links(root)
        self._alone: set[str] = set()
        """Hidden folders of which only what links lead to matters."""
        self._silent: dict[str, str] = {}
        """Folder where a file system is mounted that does not report all changes → why."""
        self._lost_at = -_QUIET_SECONDS

    def watch_all(self) -> None:
        """Watch the root and all below it. Raises OSError if the root can't be watched."""
        self._unwatched.clear()
        self._add(self._root)
        failed = self._unwatched.get(self._root)
        if failed and self._root not in self._silent:
            raise OSError(None, failed)

    def try_again(self) -> list[Event]:
        """Try again to watch folders that could not be watched. Returns events so that they are scanned."""
        return self._add_again([folder for folder in self._unwatched if folder not in self._silent])

    def _add_again(self, folders: Sequence[str]) -> list[Event]:
        for folder in folders:
            del self._unwatched[folder]
        for folder in folders:
            self._add(folder)
        return [Event(folder, Kind.TOUCHED) for folder in folders if folder not in self._unwatched]

    def read(self) -> list[Event]:
        """The events since the last call; of very many, the first."""
        moving = set(self._moving)
        events: list[Event] = []
        until = time.monotonic() + DEBOUNCE
        while time.monotonic() < until and (piece := self._queue.take()):
            for watched, mask, cookie, name in parse_events(piece):
                events += self._met(watched, mask, cookie, name)
        for cookie in moving & self._moving.keys():
            self._forget(self._moving.pop(cookie))  # it was moved to a place that is not watched
        return events

    def _met(self, watched: int, mask: int, cookie: int, name: str) -> list[Event]:
        if mask & _OVERFLOW:
            self._add(self._root)  # for folders that were created meanwhile
            self._tell_lost()
            return [Event(self._root, Kind.LOST)]
        folder = self._paths.get(watched)
        if mask & _IGNORED:
            self._paths.pop(watched, None)
            return []
        if folder is None or not name:
            is_root = folder == self._root and mask & _ATTRIB
            return [Event(self._root, Kind.TOUCHED)] if is_root else []
        path = f"{folder}/{name}"
        if folder in self._alone or walk.is_passed_over(name):
            return self._hidden_met(path, mask)
        if mask & _IS_FOLDER:
            return self._folder_met(path, mask, cookie)
        if mask & (_CREATE | _MOVED_TO):
            self._follow(path)
        return _file_met(path, mask)

    def _hidden_met(self, path: str, mask: int) -> list[Event]:
        """What happened to what is hidden, if links lead to it, or to something below it."""
        targets = self._links.at(path)
        if targets and not mask & _IS_FOLDER:
            return [Event(path, _kind_of(path, mask))]
        for target in targets:  # a folder of that name may be another one now
            self._watch_hidden(target)
        return [Event(target, Kind.TOUCHED) for target in targets]

    def _follow(self, path: str) -> None:
        if os.path.islink(path) and (target := self._links.follow(path)):
            self._watch_hidden(target)

    def _watch_hidden(self, target: str) -> None:
        for folder in self._links.on_the_way(target):
            try:
                watched = self._inotify.add_watch(folder, _MASK)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                self._unwatched[folder] = remedy_for(error)
                continue
            if watched not in self._paths:
                self._alone.add(folder)
            self._paths[watched] = folder
        if os.path.isdir(target):
            self._add(target)

    def _folder_met(self, path: str, mask: int, cookie: int) -> list[Event]:
        if mask & _CREATE:
            return self._add(path, tell=True)
        if mask & _MOVED_TO:
            if before := self._moving.pop(cookie, None):
                self._rename(before, path)
            else:
                self._add(path)
            return [Event(path, Kind.PLACED)]
        if mask & _MOVED_FROM:
            self._moving[cookie] = path
            return [Event(path, Kind.MOVED)]
        if mask & _DELETE:
            self._unwatched.pop(path, None)
            return [Event(path, Kind.DELETED)]
        if not mask & _ATTRIB:
            return []
        below = [one for one in self._unwatched if walk.within(path, one) and one not in self._silent]
        return [*self._add_again(below), Event(path, Kind.TOUCHED)]

    def _tell_lost(self) -> None:
        if time.monotonic() > self._lost_at + _QUIET_SECONDS:
            self._lost_at = time.monotonic()
            remedy = f"{raised('queued_events')} makes room for more"
            log.warning(
                "events_lost", path=self._root, remedy=remedy, instead="the whole folder is looked through"
            )

    def _add(self, path: str, *, tell: bool = False) -> list[Event]:
        """Watch a folder and those below.

        With `tell`, returns the files that were there already, as if just created.
        """
        found: list[Event] = []
        waiting = [(path, 0)]
        while waiting:
            folder, device = waiting.pop()
            self._alone.discard(folder)
            try:
                self._paths[self._inotify.add_watch(folder, _MASK)] = folder
                device = self._note_device(folder, device)
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if not walk.is_passed_over(entry.name):
                                waiting.append((entry.path, device))
                            continue
                        if entry.is_symlink():
                            self._follow(entry.path)
                        if tell and _may_be_story(entry):
                            found.append(Event(entry.path, Kind.CREATED))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                self._unwatched[folder] = remedy_for(error)
        return found

    def _note_device(self, folder: str, above: int) -> int:
        """Note a folder if its file system does not report all changes; returns the folder's device."""
        device = os.stat(folder).st_dev
        if device != above and (name := silent_file_system(folder)):
            told = f"{name} tells nothing of what other machines change"
            if folder == self._root:
                told += "; schedule.watch = false looks as often, and says so no more"
            self._silent[folder] = self._unwatched[folder] = told
        return device

    def _rename(self, before: str, after: str) -> None:
        for watched, path in self._below(before):
            self._paths[watched] = after + path[len(before) :]

    def _forget(self, folder: str) -> None:
        for watched, _ in self._below(folder):
            del self._paths[watched]
            with suppress(OSError):
                self._inotify.rm_watch(watched)

    def _below(self, folder: str) -> list[tuple[int, str]]:
        under = f"{folder}/"
        return [one for one in self._paths.items() if one[1] == folder or one[1].startswith(under)]


def _file_met(path: str, mask: int) -> list[Event]:
    # Whatever is gone may have been a link to a folder.
    matters = mask & (_MOVED_FROM | _DELETE) or _is_story(path) or os.path.islink(path)
    return [Event(path, _kind_of(path, mask))] if matters else []


def _kind_of(path: str, mask: int) -> Kind:
    if mask & (_MOVED_FROM | _DELETE):
        return Kind.MOVED if mask & _MOVED_FROM else Kind.DELETED
    if mask & _MOVED_TO:
        return Kind.PLACED
    if mask & _CREATE:
        return Kind.PLACED if _is_linked(path) else Kind.CREATED
    if mask & _CLOSE_WRITE:
        return Kind.CLOSED
    return Kind.WRITTEN if mask & _MODIFY else Kind.TOUCHED


def _is_story(path: str) -> bool:
    return path.lower().endswith(walk.SUFFIXES)


def _may_be_story(entry: os.DirEntry[str]) -> bool:
    return not walk.is_passed_over(entry.name) and (_is_story(entry.name) or entry.is_symlink())


def _is_linked(path: str) -> bool:
    """Whether a file has another hard link: it was linked into place, and is as complete as it was there."""
    try:
        return os.lstat(path).st_nlink > 1
    except OSError:
        return False
