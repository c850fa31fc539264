"""A watch by Linux's inotify (inotify(7)): it tells which files were closed or renamed into place.

Knows which names stories and their folders have, and nothing of what is done about an event.
"""

import errno
import os
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from inotify_simple import INotify, flags

from feedsvc.loading import walk
from feedsvc.settling import URGENT, Kind
from feedsvc.watching import DEBOUNCE, IDLE, STEP, Event, identity_of

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


class InotifyWatch:
    """Watches a folder; see `watching.Watch`. Links are not followed: what they lead to is watched itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._woken, self._wake = os.pipe()
        self._stopping = False
        self.unwatched: dict[str, str] = {}

    def __del__(self) -> None:
        for end in (self._woken, self._wake):
            os.close(end)

    def stop(self) -> None:
        """See `watching.Watch`."""
        self._stopping = True
        os.write(self._wake, b"!")

    def batches(self) -> Iterator[list[Event]]:
        """See `watching.Watch`. Besides, raises OSError if there may be no more instances of inotify."""
        root = os.path.realpath(self._folder)
        identity = identity_of(self._folder)
        with _instance() as inotify:
            tree = _Tree(inotify, root, self.unwatched)
            tree.watch_all()
            yield []
            checked = tried = time.monotonic()
            while not self._stopping:
                events = self._gathered(tree)
                now = time.monotonic()
                if self.unwatched and now > tried + _RETRY:
                    tried = now
                    events += tree.try_again()
                if now >= checked + IDLE:
                    checked = now
                    if identity_of(self._folder) != identity:
                        return
                yield events

    def _gathered(self, tree: "_Tree") -> list[Event]:
        """The events of one burst; none if nothing happens for some time."""
        if not self._wait(tree.file, IDLE):
            return []
        until = time.monotonic() + DEBOUNCE
        gathered = tree.read()
        if not _any_urgent(gathered):
            self._wait(None, STEP)  # so that a stream of writes wakes nobody for each of them
            gathered += tree.read()
        found = gathered
        # Whoever writes on and on delays no other: only what can be acted on at once is gathered for longer.
        while _any_urgent(found) and time.monotonic() < until and not self._stopping:
            self._wait(None, STEP)
            found = tree.read()
            gathered = gathered + found
        return gathered

    def _wait(self, file: int | None, seconds: float) -> bool:
        """Wait until there is something to read, or it is time to stop."""
        poller = select.poll()
        poller.register(self._woken, select.POLLIN)
        if file is not None:
            poller.register(file, select.POLLIN)
        return bool(poller.poll(seconds * 1000))


def _any_urgent(events: list[Event]) -> bool:
    return any(event.kind in URGENT for event in events)


def _instance() -> INotify:
    try:
        return INotify(nonblocking=True)
    except OSError as error:
        if error.errno == errno.EMFILE:
            told = "no more instances of inotify; raise the sysctl fs.inotify.max_user_instances"
            raise OSError(error.errno, told) from None
        raise


class _Tree:
    """The watches of one instance of inotify on a folder and those below it."""

    def __init__(self, inotify: INotify, root: str, unwatched: dict[str, str]) -> None:
        self._inotify = inotify
        self._root = root
        self._paths: dict[int, str] = {}
        self._moving: dict[int, str] = {}
        """Folders that were renamed away, by the cookie that says where to, if that is watched, too."""
        self._unwatched = unwatched
        self.file: int = inotify.fileno()

    def watch_all(self) -> None:
        """Watch the root and all below it. Raises OSError if the root can't be watched."""
        self._unwatched.clear()
        self._add(self._root)
        if failed := self._unwatched.get(self._root):
            raise OSError(failed)

    def try_again(self) -> list[Event]:
        """Watch what could not be watched before: who knows what happened there meanwhile."""
        before = list(self._unwatched)
        self._unwatched.clear()
        for folder in before:
            self._add(folder)
        return [Event(self._root, Kind.LOST)] if len(self._unwatched) < len(before) else []

    def read(self) -> list[Event]:
        """What happened since the last time."""
        moving = set(self._moving)
        events: list[Event] = []
        for watched, mask, cookie, name in self._inotify.read(timeout=0):
            events += self._met(watched, mask, cookie, name)
        for cookie in moving & self._moving.keys():
            self._forget(self._moving.pop(cookie))  # it was moved to where nobody looks
        return events

    def _met(self, watched: int, mask: int, cookie: int, name: str) -> list[Event]:
        if mask & _OVERFLOW:
            self._add(self._root)  # folders that came meanwhile
            return [Event(self._root, Kind.LOST)]
        folder = self._paths.get(watched)
        if mask & _IGNORED:
            self._paths.pop(watched, None)
            return []
        if folder is None or not name or walk.is_passed_over(name):
            is_root = folder == self._root and not name and mask & _ATTRIB
            return [Event(self._root, Kind.TOUCHED)] if is_root else []
        path = f"{folder}/{name}"
        return self._folder_met(path, mask, cookie) if mask & _IS_FOLDER else _file_met(path, mask)

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
        again = self._add(path, tell=True) if self._unwatched.pop(path, None) else []
        return [*again, Event(path, Kind.TOUCHED)]

    def _add(self, path: str, *, tell: bool = False) -> list[Event]:
        """Watch a folder and those below.

        With `tell`, returns the files that were there already, as if just created.
        """
        found: list[Event] = []
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            try:
                self._paths[self._inotify.add_watch(folder, _MASK)] = folder
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if not walk.is_passed_over(entry.name):
                                waiting.append(entry.path)
                        elif tell and _may_be_story(entry):
                            found.append(Event(entry.path, Kind.CREATED))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                self._unwatched[folder] = _remedy(error)
        return found

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
    if mask & (_MOVED_FROM | _DELETE):
        return [Event(path, Kind.MOVED if mask & _MOVED_FROM else Kind.DELETED)]
    if not _is_story(path) and not os.path.islink(path):
        return []
    if mask & _MOVED_TO:
        return [Event(path, Kind.PLACED)]
    if mask & _CREATE:
        return [Event(path, Kind.PLACED if _is_linked(path) else Kind.CREATED)]
    if mask & _CLOSE_WRITE:
        return [Event(path, Kind.CLOSED)]
    return [Event(path, Kind.WRITTEN if mask & _MODIFY else Kind.TOUCHED)]


def _is_story(path: str) -> bool:
    return path.lower().endswith(walk.SUFFIXES)


def _may_be_story(entry: os.DirEntry[str]) -> bool:
    return not walk.is_passed_over(entry.name) and (_is_story(entry.name) or entry.is_symlink())


def _is_linked(path: str) -> bool:
    """Whether a file has another name, too: it was linked into place, as whole as it was there."""
    try:
        return os.lstat(path).st_nlink > 1
    except OSError:
        return False


def _remedy(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "there may be no more watches; raise the sysctl fs.inotify.max_user_watches"
    return f"{error.strerror}; have its mode let feedsvc read it"
