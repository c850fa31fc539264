"""Which feed a path names.

Pure: knows no feed that there is.
"""

import unicodedata
from typing import NamedTuple

from feedsvc.domain.model import CONTENT_TYPES, Format

ROOT = "/feeds/"
"""What the path of every feed begins with."""


class Place(NamedTuple):
    """What a feed's path names. `path` is as WSGI writes it: UTF-8 bytes as Latin-1 characters, in NFC.

    `partner` is whose feed it is, "" for everybody's.
    """

    path: str
    key: str
    format: Format
    partner: str = ""


def place_of(path: str) -> Place | None:
    """What PATH_INFO names if it is a feed's: `/feeds/<key>.<format>`; else None.

    The key is NFC, as slugs are, in whatever form the client wrote it. One with a control character is none:
    no slug has any, and PostgreSQL raises on NUL.
    """
    return place_below(path)


def place_below(path: str, partner: str = "") -> Place | None:
    """What a path names below that of a partner; see `place_of`."""
    if not path.startswith(ROOT):
        return None
    stem, _, suffix = path[len(ROOT) :].rpartition(".")
    if suffix not in CONTENT_TYPES:
        return None
    try:
        key = unicodedata.normalize("NFC", stem.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        return None
    if not key or any(char < " " or char == "\x7f" for char in key):
        return None
    return Place(wsgi_path(key, suffix, partner), key, suffix, partner)


def wsgi_path(key: str, fmt: Format, partner: str) -> str:
    """The path of a feed as WSGI writes it; `key` is in NFC."""
    path = f"{ROOT}{key}.{fmt}".encode().decode("latin-1")
    return f"/partners/{partner}{path}" if partner else path
