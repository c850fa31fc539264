"""Renders RSS 2.0, by the RSS Advisory Board's profile: a channel's shell, and a story's item.

Pure: Feed and Story in, bytes out.
"""

import html
from collections.abc import Mapping
from email.utils import format_datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from feedsvc import __version__
from feedsvc.domain import urls
from feedsvc.domain.model import BEGINNING, CONTENT_TYPES, Feed, Image, Profile, Tombstone
from feedsvc.render._feedgen import (
    NAMESPACES,
    RSS_PREFIXES,
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

_END = b"</channel>"
# Elements of plain text. The channel's description is plain text, too; an item's is HTML.
_PLAIN = (
    "title",
    "category",
    "copyright",
    "source",
    "managingEditor",
    "webMaster",
    "dc:creator",
    "dc:contributor",
    "dc:source",
    "dc:rights",
    "media:title",
    "media:description",
    "media:credit",
)
_PLAIN_IN_CHANNEL = (*_PLAIN, "description")
_SPECIFICATION = "https://www.rssboard.org/rss-specification"
_WITHDRAWN = "Withdrawn"
_PERIODS = (("hourly", 3600), ("daily", 86_400), ("weekly", 604_800))


def shell(feed: Feed) -> Shell:
    """The channel without its stories, but with withdrawn ones if the profile's `deletion` is "status"."""
    document = generator(feed)
    if feed.profile.deletion == "status":
        for tombstone in feed.tombstones:
            _add_withdrawn(document, feed, tombstone)
    return cut_shell(plainly(document.rss_str()), _END)


def dated(feed: Feed) -> bytes:
    """The feed's date exactly as the shell has it, so that it can be replaced there."""
    moment = format_datetime(feed.updated.astimezone(ZoneInfo(feed.site.timezone)))
    return f"<lastBuildDate>{moment}</lastBuildDate>".encode()


def fragment(feed: Feed, story: Story) -> bytes:
    """The item of one story, as it is in every channel with that profile, content and terms."""
    item = Entry()
    fill_item(item, feed, story)
    return with_references(_frame(feed.profile).fragment(item.rss_entry()), _PLAIN)


def plainly(document: bytes) -> bytes:
    """A document whose plain texts are escaped as the RSS profile recommends."""
    channel, item, rest = document.partition(b"<item>")
    return with_references(channel, _PLAIN_IN_CHANNEL) + item + with_references(rest, _PLAIN)


def generator(feed: Feed) -> Generator:
    """The channel as feedgen builds it, without items."""
    site, page = feed.site, urls.page_url(feed.site, feed.key)
    channel = Generator(_namespaces(feed.profile), urls.stylesheet_url(site))
    channel.title(feed.title)
    channel.description(feed.description)
    channel.language(site.language)
    channel.copyright(site.rights or None)
    channel.managingEditor(site.editor or None)
    channel.webMaster(site.webmaster or None)
    channel.docs(_SPECIFICATION)
    channel.generator(f"feedsvc {__version__}")
    shown = [one.at for one in feed.tombstones] if feed.profile.deletion == "status" else []
    channel.lastBuildDate(max([feed.updated, *shown]).astimezone(ZoneInfo(site.timezone)))
    channel.ttl(max(1, -(-feed.max_age // 60)))
    if feed.key.startswith(("sections/", "tags/")):
        kind, _, name = feed.key.partition("/")
        channel.category({"term": name, "label": feed.label, "scheme": f"{site.url}/{kind}/"})
    if site.logo:
        width, height = (str(site.logo.width or 88), str(site.logo.height or 31))
        channel.image(site.logo.url, title=feed.title, link=page, width=width, height=height)
    channel.link(
        href=urls.feed_url(site, feed.key, "rss", feed.partner), rel="self", type="application/rss+xml"
    )
    for fmt in feed.formats:
        if fmt != "rss":
            _add_link(
                channel, urls.feed_url(site, feed.key, fmt, feed.partner), "alternate", CONTENT_TYPES[fmt]
            )
    if site.hub and not feed.partner:  # a hub distributes what it fetches to anybody who subscribes
        _add_link(channel, site.hub, "hub")
    _add_rhythm(channel, feed.max_age)
    # feedgen takes the channel's <link> from the link that was added last.
    channel.link(href=page, rel="alternate", type="text/html")
    return channel


def fill_item(item: Entry, feed: Feed, story: Story) -> None:
    """Fill an empty item with one story."""
    profile = feed.profile
    if story.title or not story.summary:  # RSS requires a title or a description
        item.title(story.title or UNTITLED)
    item.link(href=story.link)
    # Readers always parse a description as HTML, and a summary is plain text: hence the escaping.
    full = feed.content == "full" and story.html
    item.description(html.escape(story.summary if full else all_there_is(story), quote=False))
    if full:
        item.content(story.html)
    _identify(item, profile, story.id, story.url)
    item.category([{"term": one.label, "label": one.label, "scheme": one.scheme} for one in story.categories])
    item.comments(story.comments or None)
    item.pubDate(story.modified if profile.date == "updated" else story.published)
    for enclosure in story.enclosures[:1]:
        item.enclosure(enclosure.url, enclosure.length, enclosure.type)
    if story.source and story.source_url:
        item.source(url=story.source_url, title=story.source)
    _add_people(item, story)
    if story.source and not story.source_url:
        item.elements.add("dc:source", story.source)
    if story.rights:
        item.elements.add("dc:rights", story.rights)
    if story.language != feed.site.language:
        item.elements.add("dc:language", story.language)
    if story.is_modified and profile.modified:
        item.elements.add("dcterms:modified", story.modified.isoformat())
    for image in story.images:
        _add_image(item, image, story.title)


def _add_people(item: Entry, story: Story) -> None:
    # RSS's own author holds one e-mail address; dc:creator holds names. Validators reject both together.
    for author in story.authors:
        item.elements.add("dc:creator", author.name)
    for contributor in story.contributors:
        item.elements.add("dc:contributor", contributor.name)


def _add_image(item: Entry, image: Image, title: str) -> None:
    size = [("width", image.width), ("height", image.height)]
    medium = (image.type or "image").partition("/")[0]
    attributes = present([("url", image.url), ("type", image.type), ("medium", medium), *size])
    media = item.elements.add("media:content", attributes=attributes)
    if image.alt or title:
        sub_element(media, "media:title", image.alt or title, {"type": "plain"})
    if image.caption:
        sub_element(media, "media:description", image.caption, {"type": "plain"})
    sub_element(media, "media:thumbnail", None, present([("url", image.url), *size]))
    if image.credit:
        sub_element(media, "media:credit", image.credit)


def _add_withdrawn(channel: Generator, feed: Feed, tombstone: Tombstone) -> None:
    """Add an item that says that a story was withdrawn, and nothing else about it."""
    item = channel.new_entry()
    item.title(_WITHDRAWN)
    url = urls.location(feed.site, tombstone.article_id, tombstone.url)
    item.link(href=url)
    _identify(item, feed.profile, urls.entry_id(feed.site, tombstone.article_id), url)
    item.pubDate(tombstone.at.astimezone(ZoneInfo(feed.site.timezone)))
    item.elements.add(
        "media:status", attributes=present([("state", "deleted"), ("reason", tombstone.reason)])
    )


def _identify(item: Entry, profile: Profile, identifier: str, url: str) -> None:
    """Set the guid: the same for a story as for the item that says that it was withdrawn."""
    if profile.guid == "url":
        item.guid(url, permalink=True)
    else:
        item.guid(identifier, permalink=identifier == url and profile.guid == "id")


def _add_link(channel: Generator, href: str, rel: str, content_type: str = "") -> None:
    attributes = {"href": href, "rel": rel}
    if content_type:
        attributes["type"] = content_type.partition(";")[0]
    channel.elements.add("atom:link", attributes=attributes)


def _add_rhythm(channel: Generator, max_age: int) -> None:
    """Say what `ttl` says in the terms of the syndication module: so many updates per period."""
    period, seconds = next((one for one in _PERIODS if max_age <= one[1]), _PERIODS[-1])
    channel.elements.add("sy:updatePeriod", period)
    channel.elements.add("sy:updateFrequency", str(max(1, seconds // max(1, max_age))))


def _namespaces(profile: Profile) -> Mapping[str, str]:
    return {prefix: NAMESPACES[prefix] for prefix in RSS_PREFIXES} | dict(profile.namespaces)


@lru_cache(maxsize=64)
def _frame(profile: Profile) -> Frame:
    """The Frame for items of the profile, with the root of the smallest channel that feedgen builds."""
    channel = Generator(_namespaces(profile))
    channel.title("-")
    channel.link(href="-")
    channel.description("-")
    channel.lastBuildDate(BEGINNING)
    return Frame(channel.rss_root(), "rss", "channel")
