"""Walks the folder of stories: finds the story files, and tells which of them a changed path concerns.

Knows the file system, names and generators' folders; must not know what is in a file, nor what was read.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from feedsvc.loading.folders import names_of_rules
from feedsvc.loading.generators import NO_SITE, Site, leaves_out
from feedsvc.loading.leftovers import is_leftover
from feedsvc.loading.settling import NOTHING_KNOWN, Known

log = structlog.get_logger(__name__)

SUFFIXES: Final = (".md", ".markdown", ".html", ".htm", ".json")
_LIST_PAGE: Final = "_index."
_PLAIN_NAME: Final = re.compile(
    r"[A-Za-z0-9](?!.*_conflict-)[a-z0-9_-]*\.(?:md|markdown|html|htm|json)", re.ASCII
)
"""A name that is certainly a story's, and never passed over, so that it needs no further checks."""
_STAMPS: Final = 2**62  # the store's column holds integers of 64 bits


class FoundFile(NamedTuple):
    """A story file: its path relative to `content/` with `/` between parts, size in bytes, and mtime.

    `linked`: it is a symbolic link, or was found through one. `unreadable`: it is not a file but a folder
    that feedsvc may not read, so that its stories are unknown. `known`: what the watcher knows about it.
    `folders_ns` changes with the files that set keys for all stories of a folder (see `folders`).
    """

    path: str
    size: int
    mtime_ns: int
    linked: bool = False
    unreadable: bool = False
    known: Known = NOTHING_KNOWN
    folders_ns: int = 0

    @property
    def stamp(self) -> int:
        """A number that changes when the file must be read again: from its mtime and its folders' files'."""
        return (self.mtime_ns + self.folders_ns) % _STAMPS


class _Folder(NamedTuple):
    path: str
    real: str
    trail: tuple[str, ...]
    """The real paths of the folders in which a symbolic link was followed to get here."""
    linked: bool = False
    stamp: int = 0


def walk(root: Path, under: str = "", site: Site = NO_SITE) -> Iterator[FoundFile]:
    """Every story file below `root`, or below `under` in it (which may be one file), ordered by path.

    Skips hidden files, files that editors and synchronisers leave behind (see `leftovers`), other suffixes,
    and what the site's generator ignores (see `generators`). Follows symbolic links to folders within `root`.
    Yields a link that leads out of `root`, a folder without read permission, and a file name that is not
    UTF-8 (escaped), for `load` to reject with a reason. Yields nothing if `root` or `under` is missing.
    """
    base = os.path.realpath(root)
    waiting: list[FoundFile | _Folder] = []
    if (start := _start(base, under, site)) is not None:
        waiting.append(start)
    followed: set[str] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, FoundFile):
            yield found
        else:
            waiting.extend(_listed(found, base, followed, site))


def count(root: Path, site: Site = NO_SITE) -> int:
    """The number of story files below `root`."""
    return sum(1 for _ in walk(root, site=site))


def _start(base: str, under: str, site: Site) -> FoundFile | _Folder | None:
    parts = [part for part in under.split("/") if part]
    path = ""
    linked = False
    stamp = 0
    for part in parts:
        is_top = not path
        stamp += _stamp_of(f"{base}/{path}", site)
        path = f"{path}/{part}" if path else part
        is_folder = os.path.isdir(f"{base}/{path}")
        if is_leftover(part) or leaves_out(site, part, is_top=is_top, is_folder=is_folder):
            return None
        linked = linked or os.path.islink(f"{base}/{path}")
        if not within(base, os.path.realpath(f"{base}/{path}")):
            return _found(path, f"{base}/{path}", linked)
    full = f"{base}/{path}" if path else base
    if os.path.isdir(full):
        return _Folder(f"{path}/" if path else "", os.path.realpath(full), (), linked, stamp)
    if not path.lower().endswith(SUFFIXES):
        return None
    try:
        found = _found(path, full, linked)
    except PermissionError:
        return _unreadable(path.rpartition("/")[0] or ".", linked)
    return found and found._replace(folders_ns=stamp)


def _stamp_of(folder: str, site: Site) -> int:
    """The sum of the mtimes of the files in a folder that set keys for all stories below it."""
    stamp = 0
    for name in names_of_rules(os.path.basename(folder.rstrip("/")), site.generator):
        with suppress(OSError):
            stamp += os.stat(f"{folder}/{name}").st_mtime_ns
    return stamp


def _listed(folder: _Folder, base: str, followed: set[str], site: Site) -> list[FoundFile | _Folder]:
    """The story files and folders in a folder, last path first, as a stack reverses them to path order."""
    listed: list[FoundFile | _Folder] = []
    rules = names_of_rules(os.path.basename(folder.real), site.generator)
    stamp = folder.stamp
    try:
        with os.scandir(folder.real) as entries:
            for entry in entries:
                if entry.name in rules:
                    stamp += entry.stat().st_mtime_ns
                # A fast path: nearly every entry is a regular file with a plain name, and archives are large.
                made = (
                    _stated(entry, folder.path + entry.name, folder.linked)
                    if _PLAIN_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
                    else _judged(entry, folder, base, followed, site)
                )
                if made is not None:
                    listed.append(made)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        log.debug("folder_unreadable", path=folder.path or ".", error=str(error))
        return [_unreadable(folder.path.rstrip("/") or ".", folder.linked)]
    listed.sort(key=itemgetter(0), reverse=True)
    return [_below(one, stamp) for one in listed] if stamp else listed


def _below(found: FoundFile | _Folder, stamp: int) -> FoundFile | _Folder:
    return found._replace(folders_ns=stamp) if isinstance(found, FoundFile) else found._replace(stamp=stamp)


def _judged(
    entry: os.DirEntry[str], folder: _Folder, base: str, followed: set[str], site: Site
) -> FoundFile | _Folder | None:
    name = entry.name
    is_story = name.lower().endswith(SUFFIXES)
    if is_leftover(name):
        return None
    if leaves_out(site, name, is_top=not folder.path, is_folder=_is_folder(entry)):
        return None
    path = folder.path + (name if name.isascii() else _readable(name))
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        if os.path.isdir(target):
            return _linked(entry, path, target, folder, base, followed)
    elif entry.is_dir():
        return _Folder(f"{path}/", entry.path, folder.trail, folder.linked)
    return _stated(entry, path, folder.linked or entry.is_symlink()) if is_story else None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _linked(
    entry: os.DirEntry[str], path: str, target: str, folder: _Folder, base: str, followed: set[str]
) -> FoundFile | _Folder | None:
    if not within(base, target):
        return _found(path, entry.path, True)
    # Following a link again, or one to a folder that contains it, would never end.
    if entry.path in followed or any(within(target, real) for real in (*folder.trail, folder.real)):
        return None
    followed.add(entry.path)
    return _Folder(f"{path}/", target, (*folder.trail, folder.real), True)


def _stated(entry: os.DirEntry[str], path: str, linked: bool) -> FoundFile | None:
    try:
        seen = entry.stat()
    except OSError:
        return _found(path, entry.path, linked)
    return FoundFile(path, seen.st_size, seen.st_mtime_ns, linked)


def _unreadable(folder: str, linked: bool) -> FoundFile:
    return FoundFile(folder, 0, 0, linked=linked, unreadable=True)


def _found(path: str, full: str, linked: bool) -> FoundFile | None:
    """The file or symbolic link at a path; None if it is gone. A broken link is not gone.

    Raises PermissionError if its folder may not be searched, so that this is unknown.
    """
    try:
        seen = os.stat(full)
    except OSError:
        try:
            seen = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            raise
        except OSError:  # a failing disk: `load` will report the error when it reads the file
            return FoundFile(path, 0, 0, linked)
    return FoundFile(path, seen.st_size, seen.st_mtime_ns, linked)


def within(outer: str, inner: str) -> bool:
    """Whether the path `inner` is `outer`, or below it."""
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def _readable(name: str) -> str:
    """A name with bytes that are not UTF-8 escaped (`caf\\xe9.md`), so that a store can hold it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_utf8(name: str) -> bool:
    """Whether a name or path is UTF-8, so that a store can hold it unchanged."""
    return _readable(name) == name


def is_passed_over(name: str) -> bool:
    """Whether a watcher can ignore a name: a hidden or editor's file, a folder of packages or templates."""
    return leaves_out(NO_SITE, name, is_top=False, is_folder=True) or is_leftover(name)


def is_story_name(path: str) -> bool:
    """Whether a file at that path would be read as a story, judged by its name."""
    name = path.rpartition("/")[2]
    is_list = name.lower().startswith(_LIST_PAGE)
    return name.lower().endswith(SUFFIXES) and not is_leftover(name) and not is_list


def story_path(root: Path, changed: Path, site: Site = NO_SITE) -> str | None:
    """The path, relative to `root`, that `walk` must look under after a watcher saw `changed` change.

    "" means `root` itself; None that the path cannot be a story file, nor a folder of stories. The path need
    not exist any more.
    """
    relative = _relative(root, changed)
    if relative is not None and changed.name in names_of_rules(changed.parent.name, site.generator):
        return story_path(root, changed.parent, site)  # the file sets keys for all stories of its folder
    if relative is None or _is_passed_over(relative.parts, site):
        return None
    path = relative.as_posix() if relative.parts else ""
    if _readable(path) != path:
        return "" if len(relative.parts) < 2 else story_path(root, changed.parent, site)
    if not path or path.lower().endswith(SUFFIXES) or os.path.isdir(changed):
        return path
    return None if os.path.lexists(changed) else path  # a path that is gone may have been a folder


def _is_passed_over(parts: Sequence[str], site: Site) -> bool:
    return any(
        is_leftover(part) or leaves_out(site, part, is_top=n == 0, is_folder=n < len(parts) - 1)
        for n, part in enumerate(parts)
    )


def _relative(root: Path, changed: Path) -> Path | None:
    seen = os.path.abspath(changed)
    for base in (os.path.abspath(root), os.path.realpath(root)):
        if within(base, seen):
            return Path(os.path.relpath(seen, base)) if seen != base else Path()
    return None
