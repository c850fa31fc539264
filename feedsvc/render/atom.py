"""Renders Atom 1.0 (RFC 4287) with tombstones (RFC 6721): a feed's shell, and a story's entry.

Pure: Feed and Story in, bytes out.
"""

from functools import cache
from zoneinfo import ZoneInfo

from feedsvc import __version__
from feedsvc.domain import urls
from feedsvc.domain.model import BEGINNING, CONTENT_TYPES, Author, Feed
from feedsvc.render._feedgen import (
    NAMESPACES,
    Entry,
    Frame,
    Generator,
    present,
    sub_element,
    with_references,
)
from feedsvc.render._feedgen import shell as cut_shell
from feedsvc.render.fragments import Shell
from feedsvc.render.story import UNTITLED, Story, all_there_is

_END = b"</feed>"
# Elements of plain text. Many parsers take a text for HTML if it looks like a character reference.
_PLAIN = ("title", "subtitle", "summary", "rights", "name")


def shell(feed: Feed) -> Shell:
    """The feed without its entries, but with its tombstones."""
    return cut_shell(plainly(generator(feed).atom_str()), _END)


def dated(feed: Feed) -> bytes:
    """The feed's date exactly as the shell has it, so that it can be replaced there."""
    moment = max(feed.updated, BEGINNING).astimezone(ZoneInfo(feed.site.timezone))
    return f"<updated>{moment.isoformat()}</updated>".encode()


def fragment(feed: Feed, story: Story) -> bytes:
    """The entry of one story, as it is in every feed with that content and those terms."""
    entry = Entry()
    fill_entry(entry, feed, story)
    return plainly(_frame().fragment(entry.atom_entry()))


def plainly(document: bytes) -> bytes:
    """A document or an entry whose plain texts no parser can take for HTML."""
    return with_references(document, _PLAIN)


def generator(feed: Feed) -> Generator:
    """The feed as feedgen builds it, without entries."""
    site, zone = feed.site, ZoneInfo(feed.site.timezone)
    tombstones = {"at": NAMESPACES["at"]} if feed.tombstones else {}
    document = Generator(tombstones, urls.stylesheet_url(site))
    document.id(urls.feed_id(site, feed.key, feed.partner))
    document.title(feed.title)
    document.subtitle(feed.description)
    document.updated(max(feed.updated, *(one.at for one in feed.tombstones), BEGINNING).astimezone(zone))
    document.language(site.language)
    # Entries without an author inherit the feed's author (RFC 4287 §4.1.1).
    document.author(name=site.name, uri=f"{site.url}/")
    document.rights(site.rights or None)
    document.icon(site.icon)
    document.logo(site.logo.url if site.logo else None)
    document.generator("feedsvc", __version__)
    document.link(
        href=urls.feed_url(site, feed.key, "atom", feed.partner), rel="self", type="application/atom+xml"
    )
    document.link(href=urls.page_url(site, feed.key), rel="alternate", type="text/html")
    for fmt in feed.formats:
        if fmt != "atom":
            media_type = CONTENT_TYPES[fmt].partition(";")[0]
            document.link(
                href=urls.feed_url(site, feed.key, fmt, feed.partner), rel="alternate", type=media_type
            )
    if site.hub and not feed.partner:  # a hub distributes what it fetches to anybody who subscribes
        document.link(href=site.hub, rel="hub")
    for one in feed.tombstones:
        attributes = {"ref": urls.entry_id(site, one.article_id), "when": one.at.astimezone(zone).isoformat()}
        deleted = document.elements.add("at:deleted-entry", attributes=attributes)
        if one.reason:
            sub_element(deleted, "at:comment", one.reason)
    return document


def fill_entry(entry: Entry, feed: Feed, story: Story) -> None:
    """Fill an empty entry with one story."""
    entry.language = None if story.language == feed.site.language else story.language
    entry.id(story.id)
    entry.title(story.title or story.summary or UNTITLED)
    entry.updated(story.modified)
    entry.published(story.published)
    entry.link(href=story.link, rel="alternate", type="text/html", hreflang=story.language)
    for one in story.enclosures:
        link = [("href", one.url), ("rel", "enclosure"), ("type", one.type), ("length", one.length)]
        entry.link(**present(link))
    entry.author([_person(author) for author in story.authors])
    if story.contributors:
        entry.contributor([_person(contributor) for contributor in story.contributors])
    entry.category([{"term": c.term, "label": c.label, "scheme": c.scheme} for c in story.categories])
    full = feed.content == "full" and story.html
    if summary := story.summary if full else all_there_is(story):
        entry.summary(summary, type="text")
    if full:
        entry.content(story.html, type="html")
    entry.rights(story.rights or None)
    if story.source:
        _add_source(entry, story)


def _person(author: Author) -> dict[str, str]:
    return present([("name", author.name), ("email", author.email), ("uri", author.url)])


def _add_source(entry: Entry, story: Story) -> None:
    """Name the original publisher; RFC 4287 §4.2.11 wants the id, title and updated of its feed."""
    source = entry.elements.add("source")
    sub_element(source, "id", story.source_id)
    sub_element(source, "title", story.source, {"type": "text"})
    sub_element(source, "updated", story.modified.isoformat())
    if story.source_url:
        sub_element(source, "link", None, {"href": story.source_url, "rel": "alternate"})


@cache
def _frame() -> Frame:
    """The Frame for entries, with the root of the smallest feed that feedgen builds."""
    document = Generator({})
    document.id("-")
    document.title("-")
    document.updated(BEGINNING)
    return Frame(document.atom_root(), "feed")
