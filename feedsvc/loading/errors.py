"""The errors that make a story file unreadable, each with the key or line, and the name of its rule.

Raised and caught within loading only: outside it, a bad story is a `Rejected` value.
"""

from typing import Final, Literal

from feedsvc.util.errors import FeedsvcError

LONGEST_FRONT_MATTER: Final = 65_536
"""In characters. For anything longer, the YAML and TOML parsers could take seconds."""

Rule = Literal[
    "access-unknown",
    "body-missing",
    "cdata-end",
    "character-removed",
    "date-invalid",
    "date-missing",
    "date-too-early",
    "duplicate-key",
    "email-invalid",
    "encoding",
    "file-empty",
    "file-not-regular",
    "file-too-large",
    "flag-invalid",
    "front-matter-missing",
    "front-matter-not-keys",
    "front-matter-too-long",
    "front-matter-unclosed",
    "html-unclosed",
    "id-invalid",
    "id-missing",
    "internal-error",
    "json-syntax",
    "json-trailing",
    "key-invalid",
    "key-misplaced",
    "key-unknown",
    "language-invalid",
    "link-broken",
    "link-outside",
    "markup-unknown",
    "media-type-invalid",
    "name-missing",
    "name-not-utf8",
    "nested-too-deeply",
    "number-invalid",
    "status-unknown",
    "syndication-unknown",
    "text-invalid",
    "title-and-body-missing",
    "toml-syntax",
    "too-long",
    "too-many",
    "unreadable",
    "url-credentials",
    "url-invalid",
    "url-missing",
    "yaml-alias",
    "yaml-documents",
    "yaml-syntax",
]
"""The kinds of fault that loading reports; docs/stories.md lists each with its remedy."""

NOT_READ: Final[frozenset[str]] = frozenset({"link-broken", "link-outside", "unreadable"})
"""Rules of files whose content could not be read: they are tried again although the file does not change."""


class FieldError(FeedsvcError):
    """A key has an invalid value. `key` is as its author wrote it; the message says what to write instead."""

    def __init__(self, key: str, message: str, rule: Rule) -> None:
        super().__init__(message)
        self.key = key
        self.rule: Rule = rule


def too_long(line: int) -> "FrontMatterError":
    """The error for front matter that begins at `line` and is longer than `LONGEST_FRONT_MATTER`."""
    told = f"front matter is longer than {LONGEST_FRONT_MATTER:,} characters; move text into the story's body"
    return FrontMatterError(line, told, "front-matter-too-long")


class FrontMatterError(FeedsvcError):
    """The file cannot be read or parsed. `line` counts from 1; the message says what to write instead."""

    def __init__(self, line: int, message: str, rule: Rule) -> None:
        super().__init__(message)
        self.line = line
        self.rule: Rule = rule
