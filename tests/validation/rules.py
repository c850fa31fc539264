"""What a rule is: a name, and a check that says where a document breaks it.

Knows no format and no rule of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """A rule that a document breaks, and what was seen."""

    rule: str
    seen: str


@dataclass(frozen=True, slots=True)
class Document:
    """A feed as a validator gets it. `tree` is the parsed document, `url` where it is served, `now` aware."""

    body: bytes
    tree: Any
    url: str
    now: datetime


def words(text: str) -> frozenset[str]:
    """The names in a text that lists them."""
    return frozenset(text.split())


Check = Callable[[Document], Iterator[str]]


class Rulebook:
    """The rules of one format, in the order they were written down."""

    def __init__(self, parse: Callable[[bytes], Any]) -> None:
        self.checks: dict[str, Check] = {}
        self._parse = parse

    def rule(self, name: str) -> Callable[[Check], Check]:
        """Write a check down under its name."""

        def written(check: Check) -> Check:
            assert name not in self.checks, name
            self.checks[name] = check
            return check

        return written

    def findings(self, body: bytes, url: str, now: datetime) -> list[Finding]:
        """Every rule the document breaks. Raises what the parser raises if it is not well-formed."""
        document = Document(body, self._parse(body), url, now)
        return [Finding(name, seen) for name, check in self.checks.items() for seen in check(document)]
