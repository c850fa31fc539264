"""RSS 2.0 by the W3C Feed Validator's errors and warnings and the RSS Advisory Board's profile.

Pure: bytes in, findings out. https://www.rssboard.org/rss-profile https://validator.w3.org/feed/docs/
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from lxml import etree

from tests.validation import media, values
from tests.validation.markup import add_rules
from tests.validation.rules import Document, Rulebook, words
from tests.validation.xml import NAMESPACES, Element, add_xml_rules, name_of, named

RULES = Rulebook(etree.fromstring)
add_xml_rules(RULES, "rss")

_ONCE_IN_CHANNEL = words(
    "title link description language copyright managingEditor webMaster pubDate lastBuildDate generator docs "
    "cloud ttl image textInput skipHours skipDays rating dc:date dc:language dc:rights"
)
_IN_CHANNEL = _ONCE_IN_CHANNEL | words(
    "category item atom:link atom:author atom:id atom:icon atom:logo atom:updated dc:creator dc:subject "
    "dc:publisher sy:updatePeriod sy:updateFrequency sy:updateBase"
)
_ONCE_IN_ITEM = words(
    "title link description author comments enclosure guid pubDate source content:encoded dc:date "
    "dc:language dc:rights dc:source dcterms:modified dcterms:created dcterms:issued atom:updated "
    "atom:published media:title media:description media:copyright slash:comments"
)
_IN_ITEM = _ONCE_IN_ITEM | words(
    "category dc:creator dc:contributor dc:subject atom:link atom:author atom:contributor media:content "
    "media:group media:thumbnail media:credit media:keywords media:category media:text media:rating "
    "media:player wfw:commentRss"
)
_IN_IMAGE = words("url title link width height description")
_ATTRIBUTES = {
    "rss": {"version"},
    "category": {"domain"},
    "guid": {"isPermaLink"},
    "enclosure": {"url", "length", "type"},
    "source": {"url"},
    "cloud": {"domain", "path", "port", "protocol", "registerProcedure"},
    "atom:link": {"href", "rel", "type", "title", "hreflang", "length"},
} | media.ATTRIBUTES
_SAME_MEANING = (
    ("author", "dc:creator"),
    ("source", "dc:source"),
    ("category", "dc:subject"),
    ("pubDate", "dc:date"),
    ("pubDate", "atom:published"),
    ("guid", "atom:id"),
    ("managingEditor", "dc:creator"),
    ("webMaster", "dc:publisher"),
    ("language", "dc:language"),
    ("copyright", "dc:rights"),
    ("lastBuildDate", "dcterms:modified"),
)
_PLAIN = words("title category source copyright author managingEditor webMaster dc:rights")
_DATES = ("lastBuildDate", "pubDate", "item/pubDate")
_URLS = ("link", "docs", "image/url", "image/link", "item/link", "item/comments")
_DOCS = re.compile(r"https?://www\.rssboard\.org/rss-specification")
_REFERENCED = re.compile(
    rb"<(title|category|copyright|source|author|managingEditor|webMaster)\b[^>]*>([^<]*)</"
)
_CHANNEL_TEXT = re.compile(rb"<channel>.*?<description>([^<]*)</description>", re.DOTALL)


def _channel(document: Document) -> Any:
    return document.tree.find("channel")


def _items(document: Document) -> list[Element]:
    return list(_channel(document).findall("item"))


def _plain_texts(document: Document) -> Iterator[str]:
    """The text of each element that holds no HTML: all but an item's description and full text."""
    channel = _channel(document)
    yield channel.findtext("description", "")
    for element in channel.iter():
        if name_of(element) in _PLAIN:
            yield element.text or ""


@RULES.rule("rss-version")
def _version(document: Document) -> Iterator[str]:
    if document.tree.tag != "rss" or document.tree.get("version") != "2.0":
        yield f"{document.tree.tag} {document.tree.get('version')}"


@RULES.rule("rss-channel-required")
def _channel_required(document: Document) -> Iterator[str]:
    for name in ("title", "link", "description", "language"):
        if _channel(document).find(name) is None:
            yield name


@RULES.rule("rss-item-title-or-description")
def _title_or_description(document: Document) -> Iterator[str]:
    for item in _items(document):
        if item.find("title") is None and item.find("description") is None:
            yield item.findtext("guid", "")


@RULES.rule("rss-content-needs-description")
def _content_needs_description(document: Document) -> Iterator[str]:
    for item in _items(document):
        names = [name_of(child) for child in item]
        if "content:encoded" in names and "description" not in names[: names.index("content:encoded")]:
            yield item.findtext("guid", "")


@RULES.rule("rss-once")
def _once(document: Document) -> Iterator[str]:
    channel = _channel(document)
    for parent, once in [(channel, _ONCE_IN_CHANNEL), *((item, _ONCE_IN_ITEM) for item in _items(document))]:
        for name, times in Counter(name_of(child) for child in parent).items():
            if times > 1 and name in once:
                yield f"{name} {times} times"


@RULES.rule("rss-elements-known")
def _elements_known(document: Document) -> Iterator[str]:
    known = {
        "rss": {"channel"},
        "channel": _IN_CHANNEL,
        "item": _IN_ITEM,
        "image": _IN_IMAGE,
    } | media.CHILDREN
    for element in named(document.tree):
        for child in named(element, within=False):
            if name_of(child) not in known.get(name_of(element), ()):
                yield f"{name_of(child)} in {name_of(element)}"


@RULES.rule("rss-attributes-known")
def _attributes_known(document: Document) -> Iterator[str]:
    for element in named(document.tree):
        for attribute in element.attrib:
            if str(attribute) not in _ATTRIBUTES.get(name_of(element), ()):
                yield f"{attribute} of {name_of(element)}"


@RULES.rule("rss-items-last")
def _items_last(document: Document) -> Iterator[str]:
    names = [name_of(child) for child in _channel(document)]
    if "item" in names:
        yield from (name for name in names[names.index("item") :] if name != "item")


@RULES.rule("rss-not-blank")
def _not_blank(document: Document) -> Iterator[str]:
    for element in named(document.tree):
        if len(element) == 0 and not element.attrib and not (element.text or "").strip():
            yield from [name_of(element)] if name_of(element) != "channel" else []
    for element in document.tree.iter("category", "guid", "source"):
        if not (element.text or "").strip():
            yield element.tag


@RULES.rule("rss-white-space")
def _white_space(document: Document) -> Iterator[str]:
    for name in (*_DATES, *_URLS, "title", "item/title", "item/guid", "item/category"):
        for element in _channel(document).findall(name):
            if (element.text or "") != (element.text or "").strip():
                yield f"{name}: {element.text!r}"


@RULES.rule("rss-language")
def _language(document: Document) -> Iterator[str]:
    for element in _channel(document).findall("language"):
        if not values.is_language(element.text or ""):
            yield element.text or ""


@RULES.rule("rss-date")
def _date(document: Document) -> Iterator[str]:
    yield from (text for text, date in _dates(document) if date is None)


@RULES.rule("rss-date-weekday")
def _date_weekday(document: Document) -> Iterator[str]:
    yield from (text for text, _ in _dates(document) if values.names_wrong_day(text))


@RULES.rule("rss-date-plausible")
def _date_plausible(document: Document) -> Iterator[str]:
    yield from (
        text for text, date in _dates(document) if date and not values.is_plausible(date, document.now)
    )


def _dates(document: Document) -> Iterator[tuple[str, datetime | None]]:
    for name in _DATES:
        for element in _channel(document).findall(name):
            yield element.text or "", values.rfc_822(element.text or "")


@RULES.rule("rss-last-build-date-newest")
def _last_build_newest(document: Document) -> Iterator[str]:
    built = values.rfc_822(_channel(document).findtext("lastBuildDate", ""))
    for item in _items(document):
        modified = values.rfc_3339(item.findtext("dcterms:modified", "", NAMESPACES))
        for date in (values.rfc_822(item.findtext("pubDate", "")), modified):
            if built and date and date > built:
                yield f"{date} after {built}"


@RULES.rule("rss-modified")
def _modified(document: Document) -> Iterator[str]:
    for item in _items(document):
        for element in item.findall("dcterms:modified", NAMESPACES):
            text = element.text or ""
            modified, published = values.rfc_3339(text), values.rfc_822(item.findtext("pubDate", ""))
            if not values.is_w3cdtf(text) or (modified and published and modified < published):
                yield text


@RULES.rule("rss-url")
def _url(document: Document) -> Iterator[str]:
    for name in _URLS:
        for element in _channel(document).findall(name):
            if not values.is_web_url(element.text or ""):
                yield f"{name}: {element.text}"
    for element in document.tree.iter("source"):
        if not values.is_web_url(element.get("url", "")):
            yield f"source: {element.get('url')}"
    for element in document.tree.iter("category"):
        if not values.is_uri(element.get("domain", "tag:example.org,2026:none")):
            yield f"category: {element.get('domain')}"


@RULES.rule("rss-docs")
def _docs(document: Document) -> Iterator[str]:
    docs = _channel(document).findtext("docs", "https://www.rssboard.org/rss-specification")
    if not _DOCS.fullmatch(docs):
        yield docs


@RULES.rule("rss-ttl")
def _ttl(document: Document) -> Iterator[str]:
    ttl = _channel(document).findtext("ttl", "1")
    if not values.is_number(ttl, least=1):
        yield ttl


@RULES.rule("rss-guid-present")
def _guid_present(document: Document) -> Iterator[str]:
    yield from (item.findtext("link", "") for item in _items(document) if item.find("guid") is None)


@RULES.rule("rss-guid-unique")
def _guid_unique(document: Document) -> Iterator[str]:
    counts = Counter(item.findtext("guid", "") for item in _items(document))
    yield from (guid for guid, times in counts.items() if times > 1)


@RULES.rule("rss-guid-permalink")
def _guid_permalink(document: Document) -> Iterator[str]:
    for item in _items(document):
        for guid in item.findall("guid"):
            text, said = guid.text or "", guid.get("isPermaLink")
            page = values.is_web_url(text) and text == item.findtext("link")
            if said != ("true" if page else "false"):
                yield f"{said}: {text}"


@RULES.rule("rss-guid-distinctive")
def _guid_distinctive(document: Document) -> Iterator[str]:
    for item in _items(document):
        guid = item.findtext("guid", "")
        if guid.isdigit() and len(guid) < 9:
            yield guid


@RULES.rule("rss-enclosure")
def _enclosure(document: Document) -> Iterator[str]:
    for element in document.tree.iter("enclosure"):
        right = (
            values.is_web_url(element.get("url", ""))
            and values.is_mime(element.get("type", ""))
            and values.is_number(element.get("length", ""))
        )
        if not right:
            yield str(dict(element.attrib))


@RULES.rule("rss-email")
def _email(document: Document) -> Iterator[str]:
    for element in document.tree.iter("managingEditor", "webMaster", "author"):
        if not values.is_address_with_name(element.text or ""):
            yield f"{element.tag}: {element.text}"


@RULES.rule("rss-image-required")
def _image_required(document: Document) -> Iterator[str]:
    for image in _channel(document).findall("image"):
        yield from (name for name in ("url", "title", "link") if not image.findtext(name))


@RULES.rule("rss-image-matches-channel")
def _image_matches(document: Document) -> Iterator[str]:
    channel = _channel(document)
    for image in channel.findall("image"):
        yield from (name for name in ("title", "link") if image.findtext(name) != channel.findtext(name))


@RULES.rule("rss-image-size")
def _image_size(document: Document) -> Iterator[str]:
    for name, most in (("image/width", 144), ("image/height", 400)):
        for element in _channel(document).findall(name):
            text = element.text or ""
            if not values.is_number(text, least=1) or int(text) > most:
                yield f"{name}: {text}"


@RULES.rule("rss-image-format")
def _image_format(document: Document) -> Iterator[str]:
    for element in _channel(document).findall("image/url"):
        ending = (element.text or "").rpartition(".")[2].lower()
        if ending.isalnum() and ending not in {"gif", "jpeg", "jpg", "png"}:
            yield element.text or ""


@RULES.rule("rss-self-link")
def _self_link(document: Document) -> Iterator[str]:
    own = [one for one in _channel(document).findall("atom:link", NAMESPACES) if one.get("rel") == "self"]
    if [(one.get("href"), one.get("type")) for one in own] != [(document.url, "application/rss+xml")]:
        yield str([dict(one.attrib) for one in own])


@RULES.rule("rss-same-meaning")
def _same_meaning(document: Document) -> Iterator[str]:
    for parent in (_channel(document), *_items(document)):
        names = {name_of(child) for child in parent}
        yield from (f"{core} and {extra}" for core, extra in _SAME_MEANING if {core, extra} <= names)


@RULES.rule("rss-plain-text")
def _plain_text(document: Document) -> Iterator[str]:
    yield from (text for text in _plain_texts(document) if values.holds_tag(text))


@RULES.rule("rss-plain-text-references")
def _plain_text_references(document: Document) -> Iterator[str]:
    # https://www.rssboard.org/rss-profile#data-types-characterdata: readers disagree on &amp; and &lt; here
    # lxml's tree does not tell how a character was written, so this looks at the bytes.
    written = [text for _, text in _REFERENCED.findall(document.body)]
    written += _CHANNEL_TEXT.findall(document.body)[:1]
    yield from (text.decode() for text in written if re.search(rb"&(amp|lt|gt|quot|apos|#\d+);", text))


add_rules(
    RULES,
    lambda document: (
        element.text or ""
        for item in _items(document)
        for element in (*item.findall("description"), *item.findall("content:encoded", NAMESPACES))
    ),
)
media.add_rules(RULES)
