"""Preconditions of API requests (RFC 9110 §13.1): which version of a story the client means.

Pure: knows field values and articles, not where the fields came from.
"""

from typing import NamedTuple

from feedsvc.domain.model import Article
from feedsvc.web.feeds.conditional import entity_tags, matches_strongly, matches_weakly


def etag(article: Article) -> str:
    """A story's strong validator in the API: its digest in quotes."""
    return f'"{article.digest}"'


class Precondition(NamedTuple):
    """The If-Match and If-None-Match of a request, or the `if_match` of a batch's line; None if absent."""

    if_match: str | None = None
    if_none_match: str | None = None

    def holds(self, article: Article | None) -> bool:
        """Whether a write may go ahead; `article` is the current version, None if there is no such story."""
        if not self.matches(article):
            return False
        return self.if_none_match is None or not (
            article and matches_weakly(self.if_none_match, etag(article))
        )

    def matches(self, article: Article | None) -> bool:
        """Whether If-Match holds. For reads, where If-None-Match has another meaning (304, not 412)."""
        return self.if_match is None or bool(article and matches_strongly(self.if_match, etag(article)))

    def names(self, article: Article) -> bool:
        """Whether If-Match names this very version, so that the client must have seen it; `*` names none."""
        return self.if_match is not None and any(
            tag == etag(article) and not weak for weak, tag in entity_tags(self.if_match)
        )


def of_line(if_match: str | None) -> Precondition:
    """The precondition of a batch's line; `if_match` is `*`, an ETag with its quotes, or a bare digest."""
    if if_match is None or '"' in if_match or if_match.strip() == "*":
        return Precondition(if_match)
    return Precondition(f'"{if_match.strip()}"')
