"""Compares the folder of stories with the files read before → the files to read, and those that are gone.

Must not know what is in a file. Files that were read before come before new ones: a change in one may hold
back what is published.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from feedsvc.loading.walk import SUFFIXES, FoundFile
from feedsvc.store.sources import Seen

_MOST_NEW = 100_000
"""The most new files (a few hundred bytes each in memory) that wait for the rest of the folder's scan."""


class Looking(Protocol):
    """One scan. See `Look` for the lists, which are complete when `changed` has ended."""

    @property
    def gone(self) -> list[str]: ...

    @property
    def linked(self) -> set[str]: ...

    @property
    def returned(self) -> list[str]: ...

    def changed(self) -> Iterator[FoundFile]:
        """The files to read."""
        ...


class Look:
    """One scan of a folder: `found` are the files in it, `seen` those read before, both in order of path.

    Three lists of paths are complete when `changed` has ended: `gone`; `linked`, found through a symbolic
    link; and `returned`, recorded as missing and now there again unchanged.
    """

    def __init__(self, found: Iterable[FoundFile], seen: Iterable[Seen]) -> None:
        self._found = found
        self._seen = seen
        self.gone: list[str] = []
        self.linked: set[str] = set()
        self.returned: list[str] = []

    def changed(self) -> Iterator[FoundFile]:
        """The files to read: those whose size or time has changed, then new ones."""
        unreadable: list[FoundFile] = []
        new: list[FoundFile] = []
        seen = iter(self._seen)
        known = next(seen, None)
        for file in self._found:
            path = file.path
            if file.linked:
                self.linked.add(path)
            if file.unreadable:
                unreadable.append(file)
                continue
            while known is not None and known[0] < path:
                self.gone.append(known[0])
                known = next(seen, None)
            if known is None or (known[0] != path and len(new) == _MOST_NEW):
                yield file
                continue
            if known[0] != path:
                new.append(file)
                continue
            is_same = known[1] == file.size and known[2] == file.stamp
            was_missing = known[3] is not None
            known = next(seen, None)
            if not is_same:
                yield file
            elif was_missing:
                self.returned.append(path)
        while known is not None:
            self.gone.append(known[0])
            known = next(seen, None)
        yield from new
        yield from self._unreadable(unreadable)

    def _unreadable(self, folders: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Folders that may not be read: the files in them do not count as gone.

        A folder is yielded unless it is recorded already, so that it is reported once.
        """
        for folder in folders:
            if folder.path in self.gone:
                self.gone.remove(folder.path)
            else:
                yield folder
            self.gone = [path for path in self.gone if not _is_in(folder.path, path)]


class NamedLook:
    """A scan of single files, each of which is to be read, whatever its size and time.

    `paths` are read in their order, but those in `seen`, which were read before, come first. `find` gives the
    files at or below a path, `below` those read there before. `each` iterates over the paths, with pauses.
    """

    def __init__(
        self,
        paths: Sequence[str],
        seen: Mapping[str, Seen],
        find: Callable[[str], Iterable[FoundFile]],
        below: Callable[[str], Iterable[Seen]],
        each: Callable[[Iterable[str]], Iterable[str]] = iter,
    ) -> None:
        self._paths = sorted(paths, key=lambda path: path not in seen)
        self._seen = seen
        self._find = find
        self._below = below
        self._each = each
        self.gone: list[str] = []
        self.linked: set[str] = set()
        self.returned: list[str] = []

    def changed(self) -> Iterator[FoundFile]:
        """The files to read: all that exist."""
        told: set[str] = set()
        for path in self._each(self._paths):
            found = list(self._find(path))
            self.linked.update(file.path for file in found if file.linked)
            if not found:
                self.gone += self._gone(path)
            for file in found:
                if not file.unreadable:
                    yield file
                elif file.path not in told:
                    told.add(file.path)
                    yield file

    def _gone(self, path: str) -> Iterator[str]:
        if path in self._seen and path.lower().endswith(SUFFIXES):
            yield path
        else:  # it may have been a folder
            yield from (one.path for one in self._below(path))


def _is_in(folder: str, path: str) -> bool:
    return folder == "." or path.startswith(f"{folder}/")
