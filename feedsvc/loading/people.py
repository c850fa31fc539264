"""Who wrote a story, as bylines and front matter name them → Authors, and the agency it came from.

Pure: knows these keys' parts, and nothing of sections, feeds or files.
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
    """The authors under a key: names, `Name <address>`, or mappings; those whose slugs are one, once.

    A string is parted by semicolons, else by commas and `and`; a list is not. Raises FieldError.
    """
    if written is None:
        return ()
    return _byline(written) if isinstance(written.value, str) else _authors(written)


@lru_cache(maxsize=4_096)  # few bylines stand above very many stories
def _byline(written: Written) -> tuple[Author, ...]:
    return _authors(written)


def _authors(written: Written) -> tuple[Author, ...]:
    if isinstance(written.value, str):
        line(written)  # a byline is one line of bearable length, or it is told
        written = unescaped(written)
        byline = str(written.value)
        # Pelican's way with `Doe, Jane; Roe, Al`: https://docs.getpelican.com/en/latest/content.html
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
    """The agency or desk under a key: its name, or a mapping that holds one. Raises FieldError."""
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
