"""Parses a path into the feed that it names.

Pure: does not know which feeds exist.
"""

import unicodedata
from typing import NamedTuple

from feedsvc.domain.model import CONTENT_TYPES, Format

ROOT = "/feeds/"
"""The path of every public feed begins with it."""


class Place(NamedTuple):
    """The feed that a path names. `path` is as WSGI writes it: UTF-8 bytes as Latin-1 characters, in NFC.

    `partner` is the partner whose feed it is, "" for a public one.
    """

    path: str
    key: str
    format: Format
    partner: str = ""


def place_of(path: str) -> Place | None:
    """The public feed that PATH_INFO names, `/feeds/<key>.<format>`; None if it names none.

    The key is in NFC, as slugs are, whatever form the client sent. A key with a control character is
    rejected: no slug has one, and PostgreSQL raises on NUL.
    """
    return place_below(path)


def place_below(path: str, partner: str = "") -> Place | None:
    """The feed that a path names below a partner's path; see `place_of`."""
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
