"""The folder of stories beside what was read of it → the files to read, and those that are gone.

Knows nothing of what is in a file. Both sides come in order of path, so that memory holds neither.
"""

from collections.abc import Iterable, Iterator

from feedsvc.loading.walk import FoundFile
from feedsvc.store.sources import Seen


class Look:
    """One look: `found` is what the folder holds, `seen` what was read of it, both in order of path.

    With `every`, each file found is to be read, whatever its size and time. Three lists of paths are complete
    when `changed` has ended: what is `gone`, what is `linked`, met by way of a link, and what has `returned`,
    there again unchanged after it was noted as missing.
    """

    def __init__(self, found: Iterable[FoundFile], seen: Iterable[Seen], *, every: bool = False) -> None:
        self._found = found
        self._seen = seen
        self._every = every
        self.gone: list[str] = []
        self.linked: set[str] = set()
        self.returned: list[str] = []

    def changed(self) -> Iterator[FoundFile]:
        """The files to read: new ones, and those whose size or time is another."""
        unreadable: list[FoundFile] = []
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
            if known is not None and known[0] == path:
                is_same = known[1] == file.size and known[2] == file.stamp
                was_missing = known[3] is not None
                known = next(seen, None)
                if is_same and not self._every:
                    if was_missing:
                        self.returned.append(path)
                    continue
            yield file
        while known is not None:
            self.gone.append(known[0])
            known = next(seen, None)
        yield from self._unreadable(unreadable)

    def _unreadable(self, folders: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Folders that may not be read: what is in them isn't gone. They are told once."""
        for folder in folders:
            was_told = folder.path in self.gone
            if was_told:
                self.gone.remove(folder.path)
            if self._every or not was_told:
                yield folder
            below = "" if folder.path == "." else f"{folder.path}/"
            self.gone = [path for path in self.gone if not path.startswith(below)]
