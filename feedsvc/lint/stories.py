"""Checks stories and feeds that load without errors, against the specifications and an aggregator's profile.

Pure: articles and feeds in, remarks out. Each remark names its rule, and says what to write instead. Must not
know files, or how findings are printed.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from feedsvc.domain.constraints import EMAIL, LANGUAGE, TEXTS_SHOWN, shows_credentials
from feedsvc.domain.model import Article, Feed, Format, Site
from feedsvc.domain.urls import story_url
from feedsvc.html.sanitize import loses_credentials, loses_markup
from feedsvc.render.story import Story, story


class Remark(NamedTuple):
    """Something to correct: the rule, the front matter field ("" for a whole feed), and what to do."""

    rule: str
    field: str
    reason: str


def lint_article(article: Article, site: Site, now: datetime) -> Iterator[Remark]:
    """Check one story, whatever feed it is in. `now` is aware UTC."""
    told = story(site, article)
    for check in (_texts, _credentials, _excess, _instants, _people, _media, _withdrawal):
        yield from check(article, told, now)


def _texts(article: Article, told: Story, _now: datetime) -> Iterator[Remark]:
    if not article.title:
        yield Remark("title-missing", "title", "there is no title, and Atom needs one; write title: …")
    if not article.body.strip() and not told.summary:
        yield Remark("content-missing", "body", "there is neither a body nor a summary; write either")
    if article.language and not LANGUAGE.accepts(article.language):
        wanted = 'write a language tag such as "en" or "nl-BE" (RFC 5646)'
        yield Remark(
            "language-invalid", "language", f"language: {article.language!r} is no language tag; {wanted}"
        )


def _credentials(article: Article, told: Story, _now: datetime) -> Iterator[Remark]:
    found = "a URL in it holds a user name or password, which feeds leave out; write the URL without it"
    of_images = (("images", " ".join((one.alt, one.caption, one.credit))) for one in article.images)
    lines = ((name, getattr(article, name)) for name in TEXTS_SHOWN)
    for field, text in (*lines, *of_images):
        if shows_credentials(text):
            yield Remark("url-credentials", field, f"{field}: {found}")
    if loses_credentials(article.body, article.markup, told.url):
        yield Remark("url-credentials", "body", f"body: {found}")


def _excess(article: Article, told: Story, _now: datetime) -> Iterator[Remark]:
    if loses_markup(article.body, article.markup, told.url):
        seen = "so many tags, references or URLs, or such long ones, that some or all of them are left out"
        yield Remark("body-excessive", "body", f"body: {seen}; write fewer")


def _instants(article: Article, _told: Story, now: datetime) -> Iterator[Remark]:
    if article.updated > now and article.visible_from <= now:
        wanted = "write when it was changed"
        yield Remark(
            "updated-future", "updated", f"updated: {article.updated.isoformat()} is yet to come; {wanted}"
        )
    if article.expires and article.expires <= article.visible_from:
        wanted = "write a later date, or take it out"
        yield Remark("expires-early", "expires", f"expires: it ends before it is visible; {wanted}")


def _people(article: Article, _told: Story, _now: datetime) -> Iterator[Remark]:
    for author in (*article.authors, *article.contributors):
        if author.email and not EMAIL.accepts(author.email):
            wanted = "write name@example.org"
            yield Remark(
                "email-invalid", "author", f"author: {author.email!r} is no e-mail address; {wanted}"
            )


def _media(article: Article, told: Story, _now: datetime) -> Iterator[Remark]:
    for one in article.enclosures:
        if one.length <= 0:
            wanted = "write length: and its size in bytes, which RSS needs"
            yield Remark("enclosure-length", "enclosure", f"enclosure: {one.url!r} has no length; {wanted}")
        if one.type == "application/octet-stream":
            wanted = "write type: and its media type"
            yield Remark("enclosure-type", "enclosure", f"enclosure: {one.url!r} has no type; {wanted}")
    lost = sum(image.may_syndicate for image in article.images) - len(told.images)
    if lost or len(article.enclosures) > len(told.enclosures):
        yield Remark("media-url", "image", "a picture or file is not on the web; write an http or https URL")
    for image in article.images:
        if not image.alt and not image.caption:
            wanted = "write alt: and what it shows"
            yield Remark("image-alt", "image", f"images: {image.url!r} has neither alt nor caption; {wanted}")


def _withdrawal(article: Article, _told: Story, _now: datetime) -> Iterator[Remark]:
    if article.status == "withdrawn" and not article.withdrawal:
        yield Remark("withdrawal-unexplained", "status", "status: it says not why; write reason: …")


def lint_links(articles: Sequence[Article], site: Site) -> Iterator[tuple[Article, Remark]]:
    """Find stories of one feed that have the same URL: feed readers take them for one story."""
    seen: dict[str, Article] = {}
    for article in articles:
        url = story_url(site, article)
        if url in seen:
            reason = f"url: {url} is that of {seen[url].id!r}, too; give each story its own"
            yield article, Remark("url-duplicate", "url", reason)
        seen.setdefault(url, article)


_HAS: dict[str, Callable[[Story], object]] = {
    "title": lambda told: told.title,
    "summary": lambda told: told.summary,
    "content": lambda told: told.html,
    "image": lambda told: told.images,
    "author": lambda told: told.authors,
}


def lint_profile(feed: Feed) -> Iterator[tuple[Article, Remark]]:
    """Check the stories of a feed against the feed's profile."""
    profile = feed.profile
    for article in feed.articles:
        told = story(feed.site, article)
        for name in profile.required:
            if not _HAS[name](told):
                reason = f"{profile.name} needs {name}; write it, or leave the story out of {feed.key}"
                yield article, Remark(f"profile-{name}", name, reason)
        for name, text, most in (
            ("title", told.title, profile.title_length),
            ("summary", told.summary, profile.summary_length),
        ):
            if most and len(text) > most:
                reason = f"{name}: {len(text)} characters, and {profile.name} takes {most}; shorten it"
                yield article, Remark(f"profile-{name}-length", name, reason)
        for image in told.images:
            if profile.image_width and (image.width or 0) < profile.image_width:
                seen = f"is {image.width} pixels wide" if image.width else "says not how wide it is"
                wanted = f"{profile.name} takes {profile.image_width} and more; write width: or take another"
                yield (
                    article,
                    Remark("profile-image-width", "image", f"images: {image.url} {seen}; {wanted}"),
                )


def lint_sizes(feed: Feed, bodies: dict[Format, bytes]) -> Iterator[Remark]:
    """Check a feed as a whole against its profile; `bodies` has its document in each format."""
    profile, items = feed.profile, len(feed.articles)
    if items < profile.items_least:
        wanted = "widen its include lists"
        yield Remark(
            "profile-items-least",
            "",
            f"{items} stories, and {profile.name} wants {profile.items_least}; {wanted}",
        )
    if profile.items_most and items > profile.items_most:
        wanted = f"set limit = {profile.items_most}"
        yield Remark(
            "profile-items-most",
            "",
            f"{items} stories, and {profile.name} takes {profile.items_most}; {wanted}",
        )
    for fmt, body in bodies.items():
        if profile.feed_bytes and len(body) > profile.feed_bytes:
            wanted = 'set a lower limit, or content = "summary"'
            reason = f"{len(body)} bytes of {fmt}, and {profile.name} takes {profile.feed_bytes}; {wanted}"
            yield Remark("profile-feed-bytes", "", reason)
