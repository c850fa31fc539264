"""A story file that `walk` found → an article, or the reason why the file is rejected.

Knows how files are opened and read; must not know the store, nor which stories were loaded before.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from feedsvc.domain.model import Article, Loaded, Note, Rejected, with_json
from feedsvc.domain.xml_text import without_illegal
from feedsvc.loading import fields, front_matter, unknown_keys, unreadable
from feedsvc.loading.decode import decoded
from feedsvc.loading.errors import FieldError, FrontMatterError
from feedsvc.loading.folders import NOTHING, Folders, Inherited, with_inherited
from feedsvc.loading.front_matter import FrontMatter
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.settling import NOTHING_KNOWN, Known, Unsettled
from feedsvc.loading.walk import within
from feedsvc.loading.whole import UnsettledError, WholeFiles, leased

log = structlog.get_logger(__name__)

_LONGEST_REASON: Final = 1_000
_MOST_NOTES: Final = 20
_OUTSIDE: Final = "a link that leads out of the content folder; put the story itself there"


def load(
    root: Path, path: str, rules: LoadRules, settle: float = 0.0, known: Known = NOTHING_KNOWN
) -> Loaded | Rejected | Unsettled:
    """Read one file that `walk` found, and return its article; see `Reader.load`."""
    return Reader(root, rules, settle).load(path, known)


class Reader:
    """Reads a batch of files that `walk` found below `root`; resolves the real path of each folder only once.

    A file that changed less than `settle` seconds ago is not read, unless `known` shows that it is complete.
    """

    def __init__(self, root: Path, rules: LoadRules, settle: float = 0.0) -> None:
        self._rules = rules
        self._base = os.path.realpath(root)
        self._folders: dict[str, str] = {}
        self._inherited = Folders(self._base, rules.site.generator)
        self._whole = WholeFiles(settle)

    def load(self, path: str, known: Known = NOTHING_KNOWN) -> Loaded | Rejected | Unsettled:
        """Read one file and return its article; Unsettled if the file may still be incomplete.

        `path` is relative to `root`; `known` is what the watcher knows about the file. A file of more than
        `rules.max_file_bytes` bytes is rejected; at most one byte more than that is read. Raises
        FileNotFoundError if the file is gone by now; every other problem is returned as a Rejected.
        """
        try:
            raw = self._read(path, known)
            inherited = self._inherited.inherited(path)
        except FrontMatterError as error:
            return _rejected(path, error)
        except UnsettledError as error:
            return error.found
        return parse(path, raw, self._rules, inherited)

    def _read(self, path: str, known: Known) -> bytes:
        real, limit = self._real(path), self._rules.max_file_bytes
        if not within(self._base, real):
            raise FrontMatterError(1, _OUTSIDE, "link-outside")
        try:
            # Not with open(): creating its buffer and file object takes as long as the read itself.
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


# Without O_NONBLOCK, opening a named pipe blocks the process. O_NOFOLLOW refuses a symbolic link that took
# the file's place after `walk` saw it.
_HOW: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def _opened(base: str, real: str) -> int:
    try:
        file = os.open(real, _HOW)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        file = os.open(os.path.realpath(real), _HOW)
    # Check the open file, not its path: a folder of the path may have become a link since it was resolved.
    if not within(base, _place_of(file, real)):
        os.close(file)
        raise FrontMatterError(1, _OUTSIDE, "link-outside")
    return file


def _place_of(file: int, name: str) -> str:
    """The real path of an open file; on systems without /proc, the path that `name` resolves to now."""
    try:
        return os.readlink(f"/proc/self/fd/{file}")
    except OSError:
        return os.path.realpath(name)


def parse(path: str, raw: bytes, rules: LoadRules, inherited: Inherited = NOTHING) -> Loaded | Rejected:
    """Turn the bytes of a story file into its article, or into a Rejected with the reason.

    `path` is relative to `content/`, with `/` between its parts; its suffix determines the format.
    `inherited` holds the keys that apply to the story because of its folders. Pure, except that it logs an
    internal error, and that it reads the clock when the file is rejected.
    """
    zone = ZoneInfo(rules.timezone)
    try:
        return _parsed(path, raw, zone, rules, inherited)
    except FrontMatterError as error:
        text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
        return replace(_rejected(path, error), may_hold=unreadable.may_hold(text, zone, datetime.now(UTC)))
    except Exception as error:
        # One story that makes feedsvc fail must not keep the other stories from being published.
        log.exception("story_crashed", path=path)
        seen = f"internal error, {type(error).__name__}: {str(error)[:200]}"
        told = f"{seen}; please report it with the file"
        return _rejected(path, FrontMatterError(1, told, "internal-error"))


def _parsed(path: str, raw: bytes, zone: ZoneInfo, rules: LoadRules, inherited: Inherited) -> Loaded:
    story, notes = decoded(raw)
    suffix = "." + path.rpartition(".")[2].lower()
    found = with_inherited(front_matter.read(story, suffix, rules.site.generator), inherited)
    try:
        made = fields.article(found, path, zone, rules.partners, rules.site)
    except FieldError as error:
        raise FrontMatterError(found.line_of(error.key), str(error), error.rule) from None
    article, json = with_json(made)
    notes.extend(found.notes)
    notes.extend(_cdata_ends(path, article, found))
    # At most so many notes: finding the line of a key takes a search through the file.
    for key, told in islice(unknown_keys.findings(found.fields, rules.unknown_keys), _MOST_NOTES):
        notes.append(Note(found.line_of(key), told, "key-unknown"))
    ordered = tuple(sorted(notes, key=lambda note: note.line))
    says_status = found.first("status", "withdrawn") is not None
    fingerprint = hashlib.blake2b(raw, digest_size=8).hexdigest()
    return Loaded(path, article, ordered, json, fingerprint, says_status)


def _cdata_ends(path: str, article: Article, found: FrontMatter) -> Iterator[Note]:
    reason = "']]>' ends a CDATA section; it is escaped in the feeds; remove it if it is not meant"
    title = found.first("title")
    if title and "]]>" in article.title:
        yield Note(found.line_of(title.key), reason, "cdata-end")
    if (position := found.body.find("]]>")) >= 0:
        # In a .json file the line breaks of the body are escapes, not lines of the file.
        lines = 0 if path.lower().endswith(".json") else found.body.count("\n", 0, position)
        yield Note(found.body_line + lines, reason, "cdata-end")


def _rejected(path: str, error: FrontMatterError) -> Rejected:
    return Rejected(path, error.line, without_illegal(str(error)[:_LONGEST_REASON]), rule=error.rule)
