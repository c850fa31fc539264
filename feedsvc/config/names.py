"""Which names of sections, tags, authors, agencies and feeds a configuration uses, and where each is written.

Knows no story: `domain/names.py` compares them with the names that stories have.
"""

from collections.abc import Iterator

from feedsvc.config.file import line_of
from feedsvc.config.options import feed_key
from feedsvc.config.partners import TermsTable
from feedsvc.config.schema import Config
from feedsvc.domain.names import Named, Names
from feedsvc.domain.slugs import section_path, slug

_KINDS = ("sections", "tags", "authors", "sources")
_Use = tuple[str, tuple[str, ...], str, bool]
"""A key, the path of its setting, the name as written there, and whether the setting decides about rights."""


def names(config: Config) -> Names:
    """The names that a configuration uses, with their line numbers in its file as it is now."""
    try:
        text = config.path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):  # removed since it was read: wrong names are reported all the same
        text = ""
    uses = (*_tables(config), *_custom(config), *_partners(config))
    return Names(
        tuple(
            Named(key, ".".join(path), str(config.path), line_of(text, path, written), is_right)
            for key, path, written, is_right in uses
        ),
        frozenset(
            [
                *(_key(kind, name) for kind in _KINDS for name in getattr(config, kind)),
                *(f"custom/{name}" for name in config.custom),
            ]
        ),
    )


def _key(kind: str, written: str) -> str:
    return f"{kind}/{section_path(written)[0] if kind == 'sections' else slug(written)}"


def _tables(config: Config) -> Iterator[_Use]:
    for kind in ("sections", "tags", "authors"):
        for name in getattr(config, kind):
            yield _key(kind, name), (kind, name), "", False
    for name, source in config.sources.items():
        keeps_back = source.public != "full" or source.partners != "full"
        yield _key("sources", name), ("sources", name), "", keeps_back


def _custom(config: Config) -> Iterator[_Use]:
    for name, table in config.custom.items():
        yield from _terms(table.include, ("custom", name, "include"))
        yield from _terms(table.exclude, ("custom", name, "exclude"))


def _partners(config: Config) -> Iterator[_Use]:
    for name, table in config.partners.items():
        for written in table.feeds:
            # Whether a custom feed exists is checked when the configuration is read.
            is_any = written in {"*", "all"} or not written.partition("/")[2].strip("*/")
            if not is_any and ("*" in written or not written.startswith("custom/")):
                yield feed_key(written), ("partners", name, "feeds"), written, True
        yield from _terms(table.exclude, ("partners", name, "exclude"))


def _terms(terms: TermsTable, path: tuple[str, ...]) -> Iterator[_Use]:
    for kind in _KINDS:
        for name in getattr(terms, kind):
            yield _key(kind, name), (*path, kind), name, True
