"""The folder of stories beside what was read of it → the files to read, and those that are gone.

Knows nothing of what is in a file. A file that was read before is read again before new ones are: it may hold
back what is published.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from feedsvc.loading.walk import SUFFIXES, FoundFile
from feedsvc.store.sources import Seen

_MOST_NEW = 100_000
"""New files that wait, a few hundred bytes each, until the rest of the folder has been looked through."""


class Looking(Protocol):
    """One look. See `Look` for the lists, which are complete when `changed` has ended."""

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
    """One look at a folder: `found` is what it holds, `seen` what was read of it, both in order of path.

    Three lists of paths are complete when `changed` has ended: what is `gone`, what is `linked`, met by way
    of a link, and what has `returned`, there again unchanged after it was noted as missing.
    """

    def __init__(self, found: Iterable[FoundFile], seen: Iterable[Seen]) -> None:
        self._found = found
        self._seen = seen
        self.gone: list[str] = []
        self.linked: set[str] = set()
        self.returned: list[str] = []

    def changed(self) -> Iterator[FoundFile]:
        """The files to read: those whose size or time is another, then new ones."""
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
        """Folders that may not be read: what is in them isn't gone. They are told once."""
        for folder in folders:
            if folder.path in self.gone:
                self.gone.remove(folder.path)
            else:
                yield folder
            self.gone = [path for path in self.gone if not _is_in(folder.path, path)]


class NamedLook:
    """A look at single files, each of which is to be read, whatever its size and time.

    `paths` are read in their order, but those that were `seen`, read before, come first. `find` gives what
    there is at or below a path, `below` what was read there. `each` goes through the paths.
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
        """The files to read: all that are there."""
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
