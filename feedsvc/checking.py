"""What to mend before publishing: every story and feed, tried in a store of its own.

Knows nothing of the real store, which it leaves alone.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from feedsvc.loading.content import LoadRules
from feedsvc.refresh import Refresher
from feedsvc.selection import Rules
from feedsvc.store import articles, representations
from feedsvc.store.schema import Store


class Finding(NamedTuple):
    """Something to mend: the story file or feed, the line (1 for a feed), and what is wrong."""

    place: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.reason}"


def check(
    root: Path, load_rules: LoadRules, rules: Rules, on_read: Callable[[int], None] | None = None
) -> list[Finding]:
    """Load every story and build every feed, as a refresh would; returns what is wrong, by place and line."""
    if not root.is_dir():
        return [Finding(str(root), 1, "there is no such folder; store.content names the folder of stories")]
    with tempfile.TemporaryDirectory(prefix="feedsvc-check-") as folder:
        store = Store(f"sqlite:///{folder}/check.db")
        refresher = Refresher(store, root, load_rules, rules)
        refresher.prepare()
        report = refresher.scan(on_read=on_read)
        refresher.refresh()
        with store.read() as connection:
            set_aside = articles.quarantined(connection)
        findings = {Finding(_shown(root, one.path), one.line, one.reason) for one in set_aside}
        findings |= {Finding(_shown(root, path), note.line, note.reason) for path, note in report.notes}
        findings |= set(_malformed(store))
        store.close()
    return sorted(findings)


def _shown(root: Path, path: str) -> str:
    return f"{root.name}/{path}"


def _malformed(store: Store) -> Iterator[Finding]:
    with store.read() as connection:
        for listing in representations.listings(connection):
            for fmt in listing.formats:
                made = representations.get(connection, listing.key, fmt)
                assert made is not None
                try:
                    if fmt == "json":
                        json.loads(made.body)
                    else:
                        etree.fromstring(made.body)
                except ValueError as error:
                    yield Finding(f"/feeds/{listing.key}.{fmt}", 1, f"is not well-formed: {error}")
                except etree.XMLSyntaxError as error:
                    yield Finding(
                        f"/feeds/{listing.key}.{fmt}", error.lineno or 1, f"is not well-formed: {error}"
                    )
