"""Finds folders and files that are not read because of their names, although they hold stories.

For `feedsvc check`, so that no story is skipped silently. Must not know how the findings are printed.
"""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from feedsvc.domain.model import BEGINNING, Article, Loaded
from feedsvc.loading.generators import leaves_out
from feedsvc.loading.leftovers import is_leftover
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import Reader
from feedsvc.loading.walk import SUFFIXES

_PROGRAM: Final = re.compile(r"\.11tydata\.[cm]?js$")
_MOST: Final = 1_000
"""Files of one folder that are tried at most: a folder of packages has very many, and none is a story."""
_OF_TOOLS: Final = frozenset(
    {
        *(".git", ".github", ".gitlab", ".hg", ".svn", ".vscode", ".idea", ".obsidian", ".cache"),
        *(".venv", ".tox", ".trash", ".stversions", ".stfolder", ".jekyll-cache", ".sass-cache"),
    }
)


_BY_PLACE: Final = ("the folder ", "the name ")


class PassedOver(NamedTuple):
    """A folder or file that is not read, relative to `content/`, and the number of stories in it.

    `by` says which programs use such a name for something other than stories.
    """

    path: str
    stories: int
    by: str = "site generators leave out what has such a name"


_LEFT: Final = "editors and synchronisers leave backups and copies in conflict with such a name"


def passed_over(root: Path, rules: LoadRules) -> Iterator[PassedOver]:
    """Folders and files below `root` that are not read because of their names, although they hold stories."""
    reader = Reader(root, rules)
    for folder, folders, files in os.walk(root):
        below = Path(folder).relative_to(root)
        is_top = not below.parts
        out = {
            name
            for name in folders
            if is_leftover(name) or leaves_out(rules.site, name, is_top=is_top, is_folder=True)
        }
        for name in sorted(out - _OF_TOOLS):
            some = islice(_files(root, below / name), _MOST)
            if stories := sum(_is_story(reader, path) for path in some):
                yield _passed_over(f"{(below / name).as_posix()}/", name, stories)
        for name in sorted(files):
            is_left = is_leftover(name) and not name.startswith(".")
            if is_left or leaves_out(rules.site, name, is_top=is_top, is_folder=False):
                path = (below / name).as_posix()
                if _is_story(reader, path):
                    yield _passed_over(path, name, 1)
        folders[:] = sorted(set(folders) - out)


def _passed_over(path: str, name: str, stories: int) -> PassedOver:
    is_left = is_leftover(name) and not name.startswith(".")
    return PassedOver(path, stories, _LEFT) if is_left else PassedOver(path, stories)


def unread(root: Path) -> Iterator[str]:
    """The paths of Eleventy's data files that are JavaScript, so that feedsvc cannot know what they set."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        for name in sorted(files):
            if _PROGRAM.search(name):
                yield Path(folder, name).relative_to(root).as_posix()


def _files(root: Path, below: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root / below):
        folders.sort()
        yield from (Path(folder, name).relative_to(root).as_posix() for name in sorted(files))


def _is_story(reader: Reader, path: str) -> bool:
    """Whether a file would load as a published story; templates, data and section lists would not."""
    name = path.rpartition("/")[2].lower()
    if not name.endswith(SUFFIXES) or name.startswith("_index."):
        return False
    try:
        found = reader.load(path)
    except (FileNotFoundError, UnicodeEncodeError):  # deleted by now, or its name is not UTF-8
        return False
    if not isinstance(found, Loaded):
        return False
    # What its place makes a draft needs no date, and templates have none.
    is_dated_draft = by_place_alone(found.article) and found.article.published != BEGINNING
    return found.article.status == "published" or bool(is_dated_draft)


def by_place_alone(article: Article) -> str:
    """In which words the name of a story's file, or of a folder, holds it back; "" if something else does."""
    holds = article.held_by.split("; ")
    is_alone = article.status == "draft" and all(one.startswith(_BY_PLACE) for one in holds)
    return holds[0] if is_alone else ""
