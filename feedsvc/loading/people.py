"""Bylines and author keys of front matter → Authors; and the agency that a story came from.

Pure: knows the parts of these keys; must not know sections, feeds or files.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from feedsvc.domain.constraints import EMAIL
from feedsvc.domain.model import Author, Term
from feedsvc.domain.slugs import slug
from feedsvc.loading.values import (
    Parts,
    Written,
    address,
    email,
    items,
    label,
    line,
    simple_labels,
    unescaped,
)

_NAME_AND_ADDRESS: Final = re.compile(r"([^<>]*[^<>\s])\s*<\s*([^<>\s]+)\s*>")
_BETWEEN_NAMES: Final = re.compile(r"\s*[,;\n]\s*(?:and\s+)?|\s+and\s+")
_BETWEEN_SURNAMES_FIRST: Final = re.compile(r"\s*[;\n]\s*")


def authors(written: Written | None) -> tuple[Author, ...]:
    """The authors that a key holds: names, `Name <address>`, or mappings. Each slug occurs once.

    A string is split at semicolons, or if it has none, at commas and `and`; the items of a list are not
    split. Raises FieldError.
    """
    if written is None:
        return ()
    return _byline(written) if isinstance(written.value, str) else _authors(written)


@lru_cache(maxsize=4_096)  # very many stories share few bylines
def _byline(written: Written) -> tuple[Author, ...]:
    return _authors(written)


def _authors(written: Written) -> tuple[Author, ...]:
    if isinstance(written.value, str):
        line(written)  # raises FieldError for a byline that is too long
        written = unescaped(written)
        byline = str(written.value)
        # As Pelican splits `Doe, Jane; Roe, Al`: https://docs.getpelican.com/en/latest/content.html
        between = _BETWEEN_SURNAMES_FIRST if ";" in byline else _BETWEEN_NAMES
        written = written._replace(value=between.split(byline))
    found: Iterable[Author]
    if names := simple_labels(written):
        found = map(_plain, names)
    else:
        filled = (item for item in items(written) if not item.is_empty)
        found = (_mapped(item) if isinstance(item.value, dict) else _named(item) for item in filled)
    named: dict[str, Author] = {}
    for author in found:
        if author.name:
            named.setdefault(author.slug, author)
    return tuple(named.values())


@lru_cache(maxsize=4_096)
def _plain(name: str) -> Author:
    return Author(name, slug(name))


def _named(item: Written) -> Author:
    name = label(item)
    found = _NAME_AND_ADDRESS.fullmatch(name)
    if found is None:
        return Author(name, slug(name))
    where = Written(item.key, found[2], item.part)
    if "://" in found[2]:
        return Author(found[1], slug(found[1]), url=address(where))
    if found[2].lower().startswith("mailto:") or EMAIL.accepts(found[2]):
        return Author(found[1], slug(found[1]), email=email(where))
    return Author(name, slug(name))


def _mapped(item: Written) -> Author:
    parts = Parts(item)
    name = parts.first("name")
    if name is None:
        raise parts.missing("has no name; write name: Jane Doe", "name-missing")
    mail = parts.first("email")
    url = parts.first("url", "uri")
    return Author(
        label(name),
        slug(label(name)),
        email=email(mail) if mail else None,
        url=address(url) if url else None,
    )


def source(written: Written | None) -> Term | None:
    """The agency or desk that a key holds: its name, or a mapping with a name. Raises FieldError."""
    if written is None:
        return None
    if isinstance(written.value, dict):
        parts = Parts(written)
        name = parts.first("name")
        if name is None:
            raise parts.missing("has no name; write name: …", "name-missing")
        written = name
    named = label(written)
    return Term(named, slug(named)) if named else None
