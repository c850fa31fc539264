"""Rules that feeds are held to: what the W3C Feed Validator says at its strictest, and the specifications.

Each rule has a name, finds one kind of fault, and knows nothing of how feedsvc makes its feeds.
"""

from collections.abc import Mapping
from datetime import datetime

from tests.validation import atom, jsonfeed, rss
from tests.validation.rules import Finding, Rulebook

BOOKS: Mapping[str, Rulebook] = {"rss": rss.RULES, "atom": atom.RULES, "json": jsonfeed.RULES}


def findings(fmt: str, body: bytes, url: str, now: datetime) -> list[Finding]:
    """What is wrong with a feed of the format `fmt` ("rss", "atom", "json"), served at `url`, at `now`."""
    return BOOKS[fmt].findings(body, url, now)
