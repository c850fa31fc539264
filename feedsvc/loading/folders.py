"""What folders say of the stories below them: Hugo's cascade, Zola's drafts, Eleventy's data.

Only what may hold stories back is read of the generators' files. A story's own key goes over its folders'.
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
"""Normalised key → what the nearest folder above a story says under it."""

NOTHING: Final[Inherited] = {}
_INDEXES: Final = ("_index.md", "_index.markdown", "_index.html", "_index.htm")
_DATA: Final = ".11tydata.json"
_LONGEST: Final = 1_000_000  # bytes; a longer one is no list of keys
_MOST_STARS: Final = 3
_GLOB: Final = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}


class _Rule(NamedTuple):
    """A key that holds for what is below a folder, if `target` (None for all) matches its path."""

    written: Written
    target: re.Pattern[str] | None


def with_inherited(found: FrontMatter, inherited: Inherited) -> FrontMatter:
    """A story's front matter with what its folders say and itself does not."""
    return replace(found, fields={**inherited, **found.fields}) if inherited else found


def names_of_rules(folder: str, generator: Generator | None) -> tuple[str, ...]:
    """The files of a folder that may say something of the stories below it; `folder` is its name."""
    data = (f"{folder}.json", f"{folder}.11tydata.json") if folder else ()
    if generator is None:
        return (*_INDEXES, *data)  # Eleventy needs no configuration, by which it would be known
    if generator == "eleventy":
        return data
    return _INDEXES if generator in {"hugo", "zola"} else ()


class Folders:
    """What the folders below `root` say, each read once. `generator` says whose files they have."""

    def __init__(self, root: str, generator: Generator | None) -> None:
        self._root = root
        self._generator = generator
        self._rules: dict[str, tuple[_Rule, ...]] = {}

    def inherited(self, path: str) -> Inherited:
        """What the folders of a story file say that may hold it back; `path` is relative to `root`.

        Raises FrontMatterError if that can't be read.
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
        """The rules of a folder and those it is in, the widest first."""
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
            # It may hold back every story below.
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
        # In Hugo it is the list page alone that is a draft.
        if self._generator != "hugo" and (draft := found.first("draft")):
            yield from _of([draft], path, None)


def _is_story(found: FrontMatter) -> bool:
    """Whether a `.json` file that has its folder's name is a story, which speaks for itself alone."""
    return found.first("title", *KEYS["body"]) is not None


def _of(fields: Iterable[Written], path: str, target: re.Pattern[str] | None) -> Iterator[_Rule]:
    return (
        _Rule(Written(one.key, one.value, f" in {path}"), target)
        for one in fields
        if not one.is_empty and may_restrict(normalised(one.key)) and not _is_pattern(one)
    )


def _is_pattern(written: Written) -> bool:
    """Whether it is a permalink that makes URLs, as most are, and holds nothing back."""
    return normalised(written.key) == "permalink" and FLAGS["permalink"](written) is None


def _target(cascade: Mapping[str, object]) -> re.Pattern[str] | None:
    """The pages a cascade is for: https://gohugo.io/content-management/front-matter/#target"""
    target = next((cascade[key] for key in ("target", "_target") if key in cascade), None)
    if not isinstance(target, dict):
        return None
    if str(target.get("kind", "page")) != "page":
        return re.compile("(?!)")  # for lists alone
    glob = target.get("path")
    if not isinstance(glob, str):
        return None
    parts = re.split(r"(\*\*|[*?{},])", glob.rstrip("/"))
    if sum(part in {"*", "**"} for part in parts) > _MOST_STARS:
        return None  # with each star, the time to match grows by a power of the path's length
    try:
        return re.compile("".join(_GLOB.get(part, re.escape(part)) for part in parts), re.IGNORECASE)
    except re.error:
        return None  # what can't be read is for all: nothing leaks
