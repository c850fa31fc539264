"""What to mend before publishing: every story and feed, tried in a store of its own.

Knows nothing of the real store, which it leaves alone.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from feedsvc.domain import constraints, selection
from feedsvc.domain.model import Article, Feed, Format
from feedsvc.domain.names import Names, unknown
from feedsvc.domain.selection import Rules
from feedsvc.domain.urls import feed_url
from feedsvc.lint.documents import lint_document
from feedsvc.lint.stories import Remark, lint_article, lint_links, lint_profile, lint_sizes
from feedsvc.loading.held_places import by_place_alone, passed_over, unread
from feedsvc.loading.rules import LoadRules
from feedsvc.refresh.load_report import LoadReport
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, dirty, representations, sources
from feedsvc.store import names as known_names
from feedsvc.store.engine import Store
from feedsvc.util.run_folder import run_folder

# Other names of fields, for finding the line one is written in.
_ALSO = {
    "author": ("byline", "creator"),
    "enclosure": ("audio", "podcast"),
    "expires": ("expiry_?date",),
    "image": ("cover", "hero", "featured_image", "thumbnail"),
    "language": ("lang",),
    "updated": ("lastmod", "modified"),
    "url": ("permalink", "canonical(?:_url)?", "link"),
}

_UNSETTLED = "it is open, or was just written to; close it, or end the program that writes it"


class Finding(NamedTuple):
    """Something to mend: the story file or feed, the line (1 for a feed), the rule, and what to do."""

    place: str
    line: int
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.rule}: {self.reason}"


def check(
    root: Path,
    load_rules: LoadRules,
    rules: Rules,
    on_read: Callable[[int], None] | None = None,
    *,
    names: Names = Names(),  # noqa: B008 - a frozen value
    known: Set[str] = frozenset(),
    settle: float = 0.0,
) -> list[Finding]:
    """Load every story and build every feed, as a refresh would; returns what is wrong, by place and line.

    `names` are those that the configuration uses. `known` are names of stories that are in no file: they were
    pushed, or are gone. `settle` is how long (seconds) a file has to be quiet: one that is being written
    can't be checked.
    """
    if not root.is_dir():
        wanted = "make it, or have store.content name the folder of stories"
        return [Finding(str(root), 1, "folder-missing", f"there is no such folder; {wanted}")]
    with run_folder() as folder:
        store = Store(f"sqlite:///{folder.path}/check.db")
        refresher = Refresher(store, root, load_rules, rules, settle=settle)
        refresher.prepare()
        report = refresher.scan(on_read=on_read)
        refresher.refresh()
        places = _Places(root)
        with store.read() as connection:
            findings = {
                *_of_files(connection, report, places),
                *(
                    places.finding(connection, article, remark)
                    for article, remark in _remarks(connection, rules)
                ),
                *_by_place(connection, root, places, load_rules),
                *_wrong_feeds(connection, rules),
                *_wrong_names(connection, names, known),
                *_unbuildable(connection),
            }
        store.close()
    return sorted(findings)


def _of_files(connection: Connection, report: LoadReport, places: "_Places") -> Iterator[Finding]:
    """Files that were rejected, mended or left until they are whole."""
    for one in sources.quarantined(connection):
        yield Finding(places.shown(one.path), one.line, one.rule, one.reason)
    for path, note in report.notes:
        yield Finding(places.shown(path), note.line, note.rule, note.reason)
    for path in report.unsettled:
        yield Finding(places.shown(path), 1, "file-unsettled", f"{_UNSETTLED}; check again afterwards")


def _unbuildable(connection: Connection) -> Iterator[Finding]:
    reason = "it can't be built; run refresh, and report its log"
    for key in dirty.marked(connection):
        yield Finding(f"/feeds/{key}", 1, "feed-unbuildable", reason)


class _Places:
    """Says where in which file a remark belongs."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def shown(self, path: str) -> str:
        return f"{self._root.resolve().name}/{path}"

    def finding(self, connection: Connection, article: Article, remark: Remark) -> Finding:
        path = min(sources.owners(connection, [article.id])[article.id])
        text = (self._root / path).read_text("utf-8", "replace")
        line = _body_line(text) if remark.field == "body" else _field_line(text, remark.field)
        return Finding(self.shown(path), line, remark.rule, remark.reason)


def _field_line(whole: str, field: str) -> int:
    """The line the field is written in, as far as a look at the text can tell; else the first."""
    text = _front_matter(whole)
    names = "|".join((f"{field}s?", *_ALSO.get(field, ())))
    found = re.search(
        rf"^[ \t\[]*[\"']?(?:{names})[\"'\]]*[ \t]*(?:[:=]|$)", text, re.IGNORECASE | re.MULTILINE
    )
    return text.count("\n", 0, found.start()) + 1 if field and found else 1


def _body_line(text: str) -> int:
    """The line of a body to look at, which is that of a URL with a password; else the first."""
    front = _front_matter(text)
    skipped = front.count("\n") if front != text else 0
    lines = enumerate(text.splitlines()[skipped:], start=skipped + 1)
    return next((number for number, line in lines if constraints.shows_credentials(line)), 1)


def _front_matter(text: str) -> str:
    """What stands before a story's body; the whole of a file that is nothing but keys."""
    mark = text[:3]
    if mark not in {"---", "+++"}:
        return text if text.lstrip()[:1] == "{" else text.partition("\n\n")[0]
    return text[: text.find(f"\n{mark}", 3) + 1] or text


def _remarks(connection: Connection, rules: Rules) -> Iterator[tuple[Article, Remark]]:
    now = datetime.now(UTC)
    for article in articles.each(connection):
        if article.status != "draft":
            for remark in lint_article(article, rules.site, now):
                yield article, remark
    for listing in representations.listings(connection):
        feed = _feed(connection, listing.key, rules)
        yield from lint_links(feed.articles, rules.site)
        yield from lint_profile(feed)


def _by_place(
    connection: Connection, root: Path, places: "_Places", load_rules: LoadRules
) -> Iterator[Finding]:
    """Stories that are not out for nothing but the name of their file or of a folder they are in."""
    for one in passed_over(root, load_rules):
        seen = "a story" if one.stories == 1 else f"{one.stories} stories"
        told = f"{seen}, not read: {one.by}; rename it, or move them"
        yield Finding(places.shown(one.path), 1, "name-left-out", told)
    for path in unread(root):
        told = "a program can't be read; write what holds stories back into a .11tydata.json, or the stories"
        yield Finding(places.shown(path), 1, "data-unread", told)
    held: Counter[tuple[str, str]] = Counter()
    for article in articles.each(connection):
        if words := by_place_alone(article):
            path = min(sources.owners(connection, [article.id])[article.id])
            folder, mark, _ = path.partition(words.removeprefix("the folder "))
            held[(folder + mark if mark else path), words] += 1
    for (path, words), stories in held.items():
        if words != "the folder _drafts/":  # which says nothing else
            seen = "a story" if stories == 1 else f"{stories} stories"
            told = f"{seen}, held back as drafts by {words}; rename it, or move them, if they are to go out"
            yield Finding(places.shown(path), 1, "name-of-drafts", told)


def _feed(connection: Connection, key: str, rules: Rules) -> Feed:
    return selection.build(key, articles.window(connection, key), rules, rules.public, datetime.now(UTC))


def _wrong_names(connection: Connection, names: Names, known: Set[str]) -> Iterator[Finding]:
    if known or not articles.is_empty(connection):
        for one in unknown(names.used, known_names.beginning(connection, "") | known, names):
            yield Finding(one.named.file, one.named.line, "name-unknown", one.reason)


def _wrong_feeds(connection: Connection, rules: Rules) -> Iterator[Finding]:
    for listing in representations.listings(connection):
        bodies: dict[Format, bytes] = {}
        for fmt in listing.formats:
            made = representations.get(connection, listing.key, fmt)
            assert made is not None
            bodies[fmt] = made.body
            for fault in lint_document(fmt, made.body, feed_url(rules.site, listing.key, fmt)):
                of = f"{fault.entry}: " if fault.entry else ""
                yield Finding(f"/feeds/{listing.key}.{fmt}", 1, fault.rule, of + fault.reason)
        for remark in lint_sizes(_feed(connection, listing.key, rules), bodies):
            yield Finding(f"/feeds/{listing.key}", 1, remark.rule, remark.reason)
