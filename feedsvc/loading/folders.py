"""Keys that a folder sets for all stories below it: Hugo's cascade, Zola's drafts, Eleventy's data files.

Reads only those keys that may hold stories back. A story's own key overrides the same key of its folders. The
keys' meaning is in `flags` and `availability`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import structlog

from feedsvc.loading import front_matter
from feedsvc.loading.decode import decoded
from feedsvc.loading.errors import FrontMatterError
from feedsvc.loading.flags import FLAGS
from feedsvc.loading.front_matter import FrontMatter
from feedsvc.loading.generators import Generator
from feedsvc.loading.keys import KEYS
from feedsvc.loading.unknown_keys import may_restrict
from feedsvc.loading.values import Written, items, normalised

log = structlog.get_logger(__name__)

Inherited = Mapping[str, Written]
"""Normalised key → its value, from the nearest folder above a story that has the key."""

NOTHING: Final[Inherited] = {}
_INDEXES: Final = ("_index.md", "_index.markdown", "_index.html", "_index.htm")
_DATA: Final = ".11tydata.json"
_LONGEST: Final = 1_000_000  # bytes that are read of a file; a longer one is not a list of keys
_MOST_STARS: Final = 3
_GLOB: Final = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}


class _Rule(NamedTuple):
    """A key that applies to the pages below a folder whose path `target` matches; to all if it is None."""

    written: Written
    target: re.Pattern[str] | None


def with_inherited(found: FrontMatter, inherited: Inherited) -> FrontMatter:
    """A story's front matter, with the keys of its folders that the story does not have itself."""
    return replace(found, fields={**inherited, **found.fields}) if inherited else found


def names_of_rules(folder: str, generator: Generator | None) -> tuple[str, ...]:
    """The names of files that may set keys for the stories below a folder.

    `folder` is the folder's own name, "" for the folder of all stories.
    """
    data = (f"{folder}.json", f"{folder}.11tydata.json") if folder else ()
    if generator is None:
        return (*_INDEXES, *data)  # Eleventy needs no configuration file, so it may not have been detected
    if generator == "eleventy":
        return data
    return _INDEXES if generator in {"hugo", "zola"} else ()


class Folders:
    """The keys that the folders below `root` set; reads each folder once.

    `generator` is the one the stories are written for; it decides which files are read.
    """

    def __init__(self, root: str, generator: Generator | None) -> None:
        self._root = root
        self._generator = generator
        self._rules: dict[str, tuple[_Rule, ...]] = {}

    def inherited(self, path: str) -> Inherited:
        """The keys of a story's folders that may hold it back; `path` is its file's, relative to `root`.

        Raises FrontMatterError if a file with such keys cannot be opened or read.
        """
        rules = self._above(path.rpartition("/")[0])
        if not rules:
            return NOTHING
        page = f"/{path.rpartition('.')[0]}"
        return {
            normalised(rule.written.key): rule.written
            for rule in rules
            if rule.target is None or rule.target.fullmatch(page)
        }

    def _above(self, folder: str) -> tuple[_Rule, ...]:
        """The rules of a folder and of all folders above it, the topmost first."""
        known = self._rules.get(folder)
        if known is None:
            above = self._above(folder.rpartition("/")[0]) if folder else ()
            known = self._rules[folder] = (*above, *self._own(folder))
        return known

    def _own(self, folder: str) -> Iterator[_Rule]:
        for name in names_of_rules(folder.rpartition("/")[2], self._generator):
            path = f"{folder}/{name}".lstrip("/")
            if os.path.isfile(f"{self._root}/{path}"):
                yield from self._read(path)

    def _read(self, path: str) -> Iterator[_Rule]:
        try:
            with open(f"{self._root}/{path}", "rb") as file:
                text, _notes = decoded(file.read(_LONGEST))
            found = front_matter.read(text, f".{path.rpartition('.')[2].lower()}")
        except OSError as error:
            # The file may hold back every story below its folder, so none of them may be published.
            told = f"{path}, which speaks for what is below its folder, cannot be read: {error.strerror}"
            raise FrontMatterError(1, f"{told}; let feedsvc read it", "unreadable") from None
        except FrontMatterError as error:
            log.warning("folder_not_read", file=path, error=str(error))
            return
        if path.endswith(".json"):
            if self._generator == "eleventy" or path.endswith(_DATA) or not _is_story(found):
                yield from _of(found.fields.values(), path, None)
            return
        cascade = found.first("cascade")
        for part in items(cascade) if cascade else ():
            if isinstance(part.value, dict):
                some = (Written(str(key), value) for key, value in part.value.items())
                yield from _of(some, path, _target(part.value))
        # In Hugo, `draft` in _index.md applies to the list page only.
        if self._generator != "hugo" and (draft := found.first("draft")):
            yield from _of([draft], path, None)


def _is_story(found: FrontMatter) -> bool:
    """Whether a `.json` file named after its folder is a story, whose keys apply to itself only."""
    return found.first("title", *KEYS["body"]) is not None


def _of(fields: Iterable[Written], path: str, target: re.Pattern[str] | None) -> Iterator[_Rule]:
    return (
        _Rule(Written(one.key, one.value, f" in {path}"), target)
        for one in fields
        if not one.is_empty and may_restrict(normalised(one.key)) and not _is_pattern(one)
    )


def _is_pattern(written: Written) -> bool:
    """Whether it is a permalink that is a pattern for URLs, as most are, and holds nothing back."""
    return normalised(written.key) == "permalink" and FLAGS["permalink"](written) is None


def _target(cascade: Mapping[str, object]) -> re.Pattern[str] | None:
    """A pattern of the pages that a cascade applies to; None for all pages.

    https://gohugo.io/content-management/front-matter/#target
    """
    target = next((cascade[key] for key in ("target", "_target") if key in cascade), None)
    if not isinstance(target, dict):
        return None
    if str(target.get("kind", "page")) != "page":
        return re.compile("(?!)")  # matches nothing: the cascade is for list pages only
    glob = target.get("path")
    if not isinstance(glob, str):
        return None
    parts = re.split(r"(\*\*|[*?{},])", glob.rstrip("/"))
    if sum(part in {"*", "**"} for part in parts) > _MOST_STARS:
        return None  # each star multiplies the time of a match by the path's length
    try:
        return re.compile("".join(_GLOB.get(part, re.escape(part)) for part in parts), re.IGNORECASE)
    except re.error:
        return None  # apply an invalid pattern to all pages, so that nothing leaks
