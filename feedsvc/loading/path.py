"""Derives from a story file's path the story's default id, section folders and date.

Pure: knows paths; must not know what is in a file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final
from unicodedata import normalize

from feedsvc.domain.slugs import slug

_NO_SECTIONS: Final = """
draft drafts unpublished notpublished donotpublish notforpublication onhold embargoed unlisted unapproved
spiked wip workinprogress inprogress unfinished private privat privée privé privés privado privados
privato privati confidential confidentiel vertraulich trash trashed trashbin trashcan recyclebin rubbish
deleted papierkorb corbeille papelera cestino lixeira prullenbak brouillon brouillons entwurf entwürfe
entwuerfe borrador borradores bozza bozze rascunho rascunhos concepten kladde kladden kladder utkast
luonnos luonnokset szkic szkice taslak taslaklar koncepty черновик черновики чернетки 草稿 下書き 초안
"""
_HELD: Final = frozenset(_NO_SECTIONS.split())
"""What no site has as a section."""
_BESIDE: Final = frozenset(
    {"my", "our", "old", "all", "post", "posts", "story", "stories", "article", "articles"}
)
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
_NUMBER: Final = re.compile(r"\d{1,2}[ ._-]+")
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
    """The folders of a path, the part of an id that they make, and whether one may mean to hold back."""
    folders = tuple(path.split("/")) if path else ()
    below = "/".join(part for folder in folders if (part := slug(folder)))
    holds = any(is_of_drafts(one) or is_underscored(one) for one in folders) or of_packages(folders)
    return folders, below, bool(holds)


@lru_cache(maxsize=4_096)
def is_of_drafts(folder: str) -> bool:
    """Whether a folder's name says that what is in it is not published: `00-drafts`, `_private`, `Trash`."""
    name = _NUMBER.sub("", normalize("NFC", folder).casefold(), count=1)
    words = [word for word in _BETWEEN_WORDS.split(name) if word not in _BESIDE]
    return "".join(words) in _HELD


def is_underscored(folder: str) -> bool:
    """Whether it has a name as generators leave out, but for Jekyll's `_posts` and collections."""
    return folder.startswith("_") and folder != "_posts"


def of_packages(folders: Sequence[str]) -> str:
    """The folders in which Bundler keeps packages, if these are among them; else nothing."""
    return next(("vendor/bundle" for pair in pairwise(folders) if pair == ("vendor", "bundle")), "")
