"""RSS 2.0, by the RSS Advisory Board's profile: the shell of a feed, and the item of a story.

Pure: Feed and Story in, bytes out.
"""

from functools import cache
from zoneinfo import ZoneInfo

from feedsvc import __version__, urls
from feedsvc.model import BEGINNING, CONTENT_TYPES, Feed, Image
from feedsvc.render._feedgen import (
    Entry,
    Generator,
    present,
    sub_element,
)
from feedsvc.render._feedgen import (
    fragment as cut_fragment,
)
from feedsvc.render._feedgen import (
    shell as cut_shell,
)
from feedsvc.render.fragments import Shell
from feedsvc.render.story import Story

_END = b"</channel>"


def shell(feed: Feed) -> Shell:
    """The channel without its items."""
    return cut_shell(generator(feed).rss_str(), _END)


def fragment(feed: Feed, story: Story) -> bytes:
    """The item of one story, as it stands in any channel."""
    single = _bare()
    add_item(single, feed, story)
    return cut_fragment(single.rss_str(), _bare_shell())


def generator(feed: Feed) -> Generator:
    """The channel as feedgen builds it, with no item yet."""
    site = feed.site
    channel = Generator(elements=True)
    channel.title(feed.title)
    channel.description(feed.description)
    channel.language(site.language)
    channel.copyright(site.rights or None)
    channel.generator(f"feedsvc {__version__}")
    channel.lastBuildDate(feed.updated.astimezone(ZoneInfo(site.timezone)))
    channel.ttl(max(1, -(-feed.max_age // 60)))
    channel.link(href=urls.feed_url(site, feed.key, "rss"), rel="self", type="application/rss+xml")
    for fmt in feed.formats:
        if fmt != "rss":
            href = urls.feed_url(site, feed.key, fmt)
            media_type = CONTENT_TYPES[fmt].partition(";")[0]
            channel.elements.add(
                "atom:link", attributes={"href": href, "rel": "alternate", "type": media_type}
            )
    if site.hub:
        channel.elements.add("atom:link", attributes={"href": site.hub, "rel": "hub"})
    # feedgen makes the channel's <link> of the link that was added last.
    channel.link(href=urls.page_url(site, feed.key), rel="alternate", type="text/html")
    return channel


def add_item(channel: Generator, feed: Feed, story: Story) -> Entry:
    """Add the item of one story to a channel."""
    item = channel.new_entry()
    if story.title:
        item.title(story.title)
    item.link(href=story.url)
    item.description(story.summary)
    if feed.content == "full" and story.html:
        item.content(story.html)
    item.guid(story.id, permalink=story.id_is_url)
    item.category([{"term": one.label, "label": one.label, "scheme": one.scheme} for one in story.categories])
    item.pubDate(story.published)
    for enclosure in story.enclosures[:1]:
        item.enclosure(enclosure.url, enclosure.length, enclosure.type)
    for author in story.authors:
        item.elements.add("dc:creator", author.name)
    if story.source:
        item.elements.add("dc:source", story.source)
    if story.rights:
        item.elements.add("dc:rights", story.rights)
    if story.is_modified:
        item.elements.add("dcterms:modified", story.modified.isoformat())
    for image in story.images:
        _add_image(item, image)
    return item


def _add_image(item: Entry, image: Image) -> None:
    attributes = present(
        [
            ("url", image.url),
            ("type", image.type),
            ("medium", "image"),
            ("width", image.width),
            ("height", image.height),
        ]
    )
    media = item.elements.add("media:content", attributes=attributes)
    if image.caption:
        sub_element(media, "media:description", image.caption, {"type": "plain"})
    if image.credit:
        sub_element(media, "media:credit", image.credit, {})


def _bare() -> Generator:
    """The least channel feedgen builds: something to cut an item out of."""
    channel = Generator(elements=True)
    channel.title("-")
    channel.link(href="-")
    channel.description("-")
    channel.lastBuildDate(BEGINNING)
    return channel


@cache
def _bare_shell() -> Shell:
    return cut_shell(_bare().rss_str(), _END)
