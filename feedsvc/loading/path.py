"""Derives from a story file's path the story's default id, section folders and date.

Pure: knows paths; must not know what is in a file.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from feedsvc.domain.slugs import slug

_OF_DRAFTS: Final = frozenset({"_drafts", "_draft", "drafts", "draft", "unpublished"})
_DATED_NAME: Final = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})-.", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """What is derived from a story file's path; `day` is the date in the file's name, "" if it has none.

    `is_ordinary` says that neither a folder's name nor the file's can mean that the story is held back.
    """

    id: str
    folders: tuple[str, ...]
    name: str
    day: str
    is_ordinary: bool


def place_of(path: str) -> Place:
    """The Place for the path of a story file, which is relative to `content/`, with `/` between its parts."""
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0]
    if folder and stem.lower() == "index":
        folder, _, stem = folder.rpartition("/")
    folders, below, holds = _folders(folder)
    made = f"{below}/{slug(stem)}".strip("/")
    dated = _DATED_NAME.match(stem)
    return Place(made, folders, name, dated[1] if dated else "", not holds and not name.startswith("_"))


@lru_cache(maxsize=4_096)  # each folder holds many stories
def _folders(path: str) -> tuple[tuple[str, ...], str, bool]:
    """The folders of a path, the id's part made from them, and whether the name of one is for drafts."""
    folders = tuple(path.split("/")) if path else ()
    below = "/".join(part for folder in folders if (part := slug(folder)))
    return folders, below, any(is_of_drafts(folder) for folder in folders)


def is_of_drafts(folder: str) -> bool:
    """Whether a folder's name, such as `_drafts`, says that the stories in it are not published."""
    return folder.lower() in _OF_DRAFTS
