"""Walks `content/` and turns each story file into an article, or says why not.

Knows the file system and what a story file is called; must not know the store, nor what was loaded before.
"""

import errno
import os
import re
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import structlog

from feedsvc.characters import without_illegal
from feedsvc.loading import fields, front_matter
from feedsvc.loading.characters import decoded
from feedsvc.loading.faults import FieldError, FrontMatterError
from feedsvc.loading.front_matter import FrontMatter
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.whole import UnsettledError, WholeFiles, leased
from feedsvc.model import Article, Loaded, Note, Rejected, with_json
from feedsvc.settling import NOTHING_KNOWN, Known, Unsettled

log = structlog.get_logger(__name__)

SUFFIXES: Final = (".md", ".markdown", ".html", ".htm", ".json")
_PASSED_OVER: Final = re.compile(r"^[.~]|^#.*#$|~$|\.(?:swp|bak|orig|tmp)$|^_index\.", re.IGNORECASE)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][\w-]*\.(?:md|markdown|html|htm|json)", re.ASCII)
"""What needs no closer look: a story's name, and nothing that is passed over."""
_OUTSIDE: Final = "a link that leads out of the content folder; put the story itself there"


class FoundFile(NamedTuple):
    """A story file: its path relative to `content/` with `/` between parts, size in bytes, and mtime.

    `linked` says that it is a symbolic link, or was found through one. `unreadable` says that it is no file
    but a folder that may not be read, so that nobody knows what is in it. `known` is what is known besides.
    """

    path: str
    size: int
    mtime_ns: int
    linked: bool = False
    unreadable: bool = False
    known: Known = NOTHING_KNOWN


class _Folder(NamedTuple):
    path: str
    real: str
    trail: tuple[str, ...]
    """The real folders in which links were followed on the way here."""
    linked: bool = False


def walk(root: Path, under: str = "") -> Iterator[FoundFile]:
    """Every story file below `root`, or below `under` in it (which may be one file), ordered by path.

    Hidden files, editors' backups, other suffixes and Hugo's `_index` pages are passed over. Links to folders
    are followed within `root`; a link that leads out of it is yielded, for `load` to reject with a reason. So
    is a folder that may not be read. A file name that is not UTF-8 is yielded escaped, and rejected likewise.
    What is missing yields nothing.
    """
    base = os.path.realpath(root)
    waiting: list[FoundFile | _Folder] = []
    if (start := _start(base, under)) is not None:
        waiting.append(start)
    followed: set[str] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, FoundFile):
            yield found
        else:
            waiting.extend(_listed(found, base, followed))


def count(root: Path) -> int:
    """How many story files there are below `root`."""
    return sum(1 for _ in walk(root))


def _start(base: str, under: str) -> FoundFile | _Folder | None:
    parts = [part for part in under.split("/") if part]
    path = ""
    linked = False
    for part in parts:
        if _PASSED_OVER.search(part):
            return None
        path = f"{path}/{part}" if path else part
        linked = linked or os.path.islink(f"{base}/{path}")
        if not _within(base, os.path.realpath(f"{base}/{path}")):
            return _found(path, f"{base}/{path}", linked)
    full = f"{base}/{path}" if path else base
    if os.path.isdir(full):
        return _Folder(f"{path}/" if path else "", os.path.realpath(full), (), linked)
    return _found(path, full, linked) if path and path.lower().endswith(SUFFIXES) else None


def _listed(folder: _Folder, base: str, followed: set[str]) -> list[FoundFile | _Folder]:
    """What a folder holds, last path first, so that a stack gives it back in path order."""
    listed: list[FoundFile | _Folder] = []
    try:
        with os.scandir(folder.real) as entries:
            for entry in entries:
                # Nearly every entry is a plain file with a plain name, and an archive has very many.
                made = (
                    _stated(entry, folder.path + entry.name, folder.linked)
                    if _PLAIN_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
                    else _judged(entry, folder, base, followed)
                )
                if made is not None:
                    listed.append(made)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        log.warning("folder_unreadable", path=folder.path or ".", error=str(error))
        path = folder.path.rstrip("/") or "."
        return [FoundFile(path, 0, 0, linked=folder.linked, unreadable=True)]
    listed.sort(key=itemgetter(0), reverse=True)
    return listed


def _judged(
    entry: os.DirEntry[str], folder: _Folder, base: str, followed: set[str]
) -> FoundFile | _Folder | None:
    name = entry.name
    is_story = name.lower().endswith(SUFFIXES)
    if _PASSED_OVER.search(name):
        return None
    path = folder.path + (name if name.isascii() else _readable(name))
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        if os.path.isdir(target):
            return _linked(entry, path, target, folder, base, followed)
    elif entry.is_dir():
        return _Folder(f"{path}/", entry.path, folder.trail, folder.linked)
    return _stated(entry, path, folder.linked or entry.is_symlink()) if is_story else None


def _linked(
    entry: os.DirEntry[str], path: str, target: str, folder: _Folder, base: str, followed: set[str]
) -> FoundFile | _Folder | None:
    if not _within(base, target):
        return _found(path, entry.path, True)
    # A link met again, or one to a folder it is in, would never end.
    if entry.path in followed or any(_within(target, real) for real in (*folder.trail, folder.real)):
        return None
    followed.add(entry.path)
    return _Folder(f"{path}/", target, (*folder.trail, folder.real), True)


def _stated(entry: os.DirEntry[str], path: str, linked: bool) -> FoundFile | None:
    try:
        seen = entry.stat()
    except OSError:
        return _found(path, entry.path, linked)
    return FoundFile(path, seen.st_size, seen.st_mtime_ns, linked)


def _found(path: str, full: str, linked: bool) -> FoundFile | None:
    """A file or link by its path; None if it is gone. A link that leads nowhere is not gone."""
    for look in (os.stat, os.lstat):
        try:
            seen = look(full)
        except OSError:
            continue
        return FoundFile(path, seen.st_size, seen.st_mtime_ns, linked)
    return None


def _within(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def _readable(name: str) -> str:
    """A name with the bytes escaped that are not UTF-8 (`caf\\xe9.md`), so that a store can hold it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of that name is none of ours: hidden, or what an editor leaves."""
    return bool(_PASSED_OVER.search(name))


def story_path(root: Path, changed: Path) -> str | None:
    """Where a change seen by a watcher is, relative to `root`: for `walk` to look under.

    None if it cannot be a story file, nor a folder that may hold some; "" for `root` itself. The path need
    not be there any more.
    """
    relative = _relative(root, changed)
    if relative is None or any(_PASSED_OVER.search(part) for part in relative.parts):
        return None
    path = relative.as_posix() if relative.parts else ""
    if _readable(path) != path:
        return "" if len(relative.parts) < 2 else story_path(root, changed.parent)
    if not path or path.lower().endswith(SUFFIXES) or os.path.isdir(changed):
        return path
    return None if os.path.lexists(changed) else path  # what is gone may have been a folder


def _relative(root: Path, changed: Path) -> Path | None:
    seen = os.path.abspath(changed)
    for base in (os.path.abspath(root), os.path.realpath(root)):
        if _within(base, seen):
            return Path(os.path.relpath(seen, base)) if seen != base else Path()
    return None


def load(
    root: Path, path: str, rules: LoadRules, settle: float = 0.0, known: Known = NOTHING_KNOWN
) -> Loaded | Rejected | Unsettled:
    """Read one file that `walk` found, and make its article; see `Reader.load`."""
    return Reader(root, rules, settle).load(path, known)


class Reader:
    """Reads files that `walk` found below `root`, a batch of them: where a folder leads is looked up once.

    A file that changed less than `settle` seconds ago is not read, unless more is known of it.
    """

    def __init__(self, root: Path, rules: LoadRules, settle: float = 0.0) -> None:
        self._rules = rules
        self._base = os.path.realpath(root)
        self._folders: dict[str, str] = {}
        self._whole = WholeFiles(settle)

    def load(self, path: str, known: Known = NOTHING_KNOWN) -> Loaded | Rejected | Unsettled:
        """Read one file, and make its article; Unsettled if it is not whole.

        Never reads more than `rules.max_file_bytes`. Raises FileNotFoundError if the file has gone meanwhile;
        every other trouble is a Rejected.
        """
        try:
            raw = self._read(path, known)
        except FrontMatterError as error:
            return _rejected(path, error)
        except UnsettledError as error:
            return error.found
        return parse(path, raw, self._rules)

    def _read(self, path: str, known: Known) -> bytes:
        real, limit = self._real(path), self._rules.max_file_bytes
        if not _within(self._base, real):
            raise FrontMatterError(1, _OUTSIDE, "link-outside")
        try:
            # Not by open(): a buffer and its object take as long as the reading.
            file = _opened(self._base, real)
            try:
                raw, size = self._whole.bytes_of(file, path, limit, known)
            finally:
                os.close(file)
        except BlockingIOError:
            raise leased(path, real) from None
        except FileNotFoundError:
            if os.path.islink(f"{self._base}/{path}"):
                told = "a link that leads nowhere; put the story itself there"
                raise FrontMatterError(1, told, "link-broken") from None
            if "\\x" in path:
                told = "the file's name is not UTF-8; rename it"
                raise FrontMatterError(1, told, "name-not-utf8") from None
            raise
        except NotADirectoryError:
            raise FileNotFoundError(f"{self._base}/{path}") from None
        except OSError as error:
            told = f"cannot be read: {error.strerror}; make it a file that feedsvc may read"
            raise FrontMatterError(1, told, "unreadable") from None
        if size > limit:
            told = f"{size:,} bytes are too many; a story may have {limit:,}"
            raise FrontMatterError(1, told, "file-too-large")
        return raw

    def _real(self, path: str) -> str:
        folder, _, name = f"{self._base}/{path}".rpartition("/")
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = os.path.realpath(folder)
        return f"{real}/{name}"


# Without O_NONBLOCK a named pipe holds the process; O_NOFOLLOW refuses a link put there since.
_HOW: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def _opened(base: str, real: str) -> int:
    try:
        file = os.open(real, _HOW)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        file = os.open(os.path.realpath(real), _HOW)
    # Asked of what is open: a folder on the way may have become a link since it was looked up.
    if not _within(base, _place_of(file, real)):
        os.close(file)
        raise FrontMatterError(1, _OUTSIDE, "link-outside")
    return file


def _place_of(file: int, name: str) -> str:
    """Where an open file is; where the system doesn't tell, where its name leads now."""
    try:
        return os.readlink(f"/proc/self/fd/{file}")
    except OSError:
        return os.path.realpath(name)


def parse(path: str, raw: bytes, rules: LoadRules) -> Loaded | Rejected:
    """Make the article of a story file from its bytes, or say why not.

    `path` is relative to `content/`, with `/` between its parts; its suffix tells the format. Pure but for
    the log of a crash.
    """
    zone = ZoneInfo(rules.timezone)
    try:
        return _parsed(path, raw, zone, rules)
    except FrontMatterError as error:
        return _rejected(path, error)
    except Exception as error:
        # Whatever one story trips over in here, every other story must still go out.
        log.exception("story_crashed", path=path)
        seen = f"internal error, {type(error).__name__}: {str(error)[:200]}"
        told = f"{seen}; please report it with the file"
        return _rejected(path, FrontMatterError(1, told, "internal-error"))


def _parsed(path: str, raw: bytes, zone: ZoneInfo, rules: LoadRules) -> Loaded:
    story, notes = decoded(raw)
    found = front_matter.read(story, "." + path.rpartition(".")[2].lower())
    try:
        made = fields.article(found, path, zone, rules.partners)
    except FieldError as error:
        raise FrontMatterError(found.line_of(error.key), str(error), error.rule) from None
    article, json = with_json(made)
    notes.extend(found.notes)
    notes.extend(_cdata_ends(path, article, found))
    return Loaded(path, article, tuple(sorted(notes, key=lambda note: note.line)), json)


def _cdata_ends(path: str, article: Article, found: FrontMatter) -> Iterator[Note]:
    reason = "']]>' ends a CDATA section; it is escaped in the feeds; remove it if it is not meant"
    title = found.first("title")
    if title and "]]>" in article.title:
        yield Note(found.line_of(title.key), reason, "cdata-end")
    if (position := found.body.find("]]>")) >= 0:
        # The lines of a JSON article's body are not lines of its file.
        lines = 0 if path.lower().endswith(".json") else found.body.count("\n", 0, position)
        yield Note(found.body_line + lines, reason, "cdata-end")


def _rejected(path: str, error: FrontMatterError) -> Rejected:
    return Rejected(path, error.line, without_illegal(str(error)), rule=error.rule)
