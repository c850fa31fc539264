"""The pages for people, and beside them OPML, the news sitemap and robots.txt.

Knows neither files nor how feeds are rendered. A page is made on request, through the same gate as feeds
(`selection`) and by the clock, so that an embargo holds to the instant and an archive costs nothing unread.
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response as WerkzeugResponse

from feedsvc.domain import selection
from feedsvc.domain.gate import was_eligible
from feedsvc.domain.model import Article, FeedSettings, Site
from feedsvc.domain.rights import Audience
from feedsvc.domain.selection import Rules
from feedsvc.domain.urls import mounted, page_path, page_url, prefix, story_path
from feedsvc.store import articles, representations, tombstones
from feedsvc.store.engine import Store
from feedsvc.store.tokens import Token
from feedsvc.web.feeds.response import CORS, PREFLIGHT
from feedsvc.web.feeds.routes import HOLDER, as_flask
from feedsvc.web.site import opml, sitemap
from feedsvc.web.site.assets import ASSET_PATHS, SECURITY_HEADERS, asset
from feedsvc.web.site.cacheable import cacheable
from feedsvc.web.site.directory import CurrentDirectory, Directory, PageLink, without_site
from feedsvc.web.site.errors import TEMPLATES
from feedsvc.web.site.story_page import Teaser, direction, section_label, story_page, teaser

_MAX_AGE = 60
_ROBOTS_MAX_AGE = 3_600
_OPML = "text/x-opml; charset=utf-8"
_NEWEST = 10
_MORE = 5

_HERE = Path(__file__).parent


def blueprint(store: Store, rules: Rules, clock: Callable[[], datetime]) -> Blueprint:
    """The pages, OPML, the news sitemap, robots.txt and the static files: GET and HEAD only.

    `rules` are those that feeds are built by, and `clock` returns aware UTC.
    """
    pages = _Pages(store, rules, clock)
    routes = Blueprint("pages", __name__)
    routes.before_app_request(_refuse_other_cases)
    routes.record(lambda state: state.app.extensions.update({TEMPLATES: pages.templates}))
    views: dict[str, tuple[str, Callable[..., WerkzeugResponse]]] = {
        "home": ("/", pages.home),
        "sections": ("/sections/<path:name>", partial(pages.feed, "sections")),
        "tags": ("/tags/<path:name>", partial(pages.feed, "tags")),
        "authors": ("/authors/<path:name>", partial(pages.feed, "authors")),
        "story": ("/stories/<path:story_id>", pages.story),
        "opml": ("/feeds.opml", pages.opml),
        "partner-opml": ("/partners/<name>/feeds.opml", pages.partner_opml),
        **{
            # Named one by one: what else there is under /feeds/ is said by the feeds' own blueprint.
            f"opml-{kind}": (f"/feeds/{kind}.opml", partial(pages.opml, kind))
            for kind in ("sections", "tags", "authors", "custom")
        },
        "sitemap": (sitemap.PATH, pages.sitemap),
        "robots": ("/robots.txt", pages.robots),
        "asset": ("/static/<name>", asset),
    }
    for name, (path, view) in views.items():
        # Slashes are not merged: an id may be a URL, and Flask's redirect would go by the Host field.
        routes.add_url_rule(
            path, name, view, methods=["GET"], provide_automatic_options=False, merge_slashes=False
        )
    for name, (path, _) in views.items():
        if name.startswith("opml"):
            routes.add_url_rule(
                path,
                f"{name}-preflight",
                _preflight,
                methods=["OPTIONS"],
                provide_automatic_options=False,
            )
    return routes


def _preflight(**_: str) -> WerkzeugResponse:
    return as_flask(PREFLIGHT)


class _Pages:
    """The views. Each reads what it needs in one view of the store, and lets go of it to write HTML."""

    def __init__(self, store: Store, rules: Rules, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rules = rules
        self._site = rules.site
        self._clock = clock
        self._directory = CurrentDirectory(rules.site)
        self.templates = _templates(rules.site)

    def home(self) -> WerkzeugResponse:
        now = self._clock()
        with self._store.read() as connection:
            directory = self._directory.at(connection)
            newest = self._shown(articles.window(connection, "all", now, _NEWEST), _NEWEST, now)
            max_age = _max_age(connection, now)
        return self._page(
            "home.html",
            max_age,
            directory,
            canonical=page_url(self._site, "all"),
            alternates=directory.links("all"),
            newest=[self._teaser(article, directory) for article in newest],
        )

    def feed(self, kind: str, name: str) -> WerkzeugResponse:
        key = f"{kind}/{_normalised(name)}"
        if key.endswith("/"):
            return _moved(mounted(self._site, page_path(key.rstrip("/"))))
        now = self._clock()
        with self._store.read() as connection:
            directory = self._directory.at(connection)
            newest = articles.window(connection, key, now)
            feed = selection.build(key, newest, self._rules, self._rules.public, now)
            max_age = _max_age(connection, now)
        if not feed.articles and key not in directory:
            abort(404)
        return self._page(
            "feed.html",
            max_age,
            directory,
            section=key.removeprefix("sections/") if kind == "sections" else "",
            title=feed.title,
            label=without_site(self._site, feed.title),
            description=feed.description,
            canonical=page_url(self._site, key),
            alternates=directory.links(key),
            around=directory.sections_around(key),
            below=directory.sections_in(key),
            stories=[
                self._teaser(article, directory, is_named=key != f"sections/{article.section}")
                for article in feed.articles
            ],
        )

    def story(self, story_id: str) -> WerkzeugResponse:
        now = self._clock()
        normalised = _normalised(story_id)
        with self._store.read() as connection:
            found = articles.get_many(connection, [story_id, normalised])
            article = found.get(story_id) or found.get(normalised)
            shown = self._shown([article] if article else [], 1, now)
            if not shown:
                return _refused(connection, article, story_id, self._rules, now)
            article = shown[0]
            directory = self._directory.at(connection)
            key = f"sections/{article.section}" if article.section else "all"
            others = (one for one in articles.window(connection, key, now, _MORE + 1) if one.id != article.id)
            more = self._shown(others, _MORE, now)
            max_age = _max_age(connection, now)
        section = self._section(article, directory)
        told = story_page(self._site, article, section)
        return self._page(
            "story.html",
            max_age,
            directory,
            section=article.section,
            canonical=told.url,
            alternates=(*directory.links("all"), *(directory.links(key) if section else ())),
            story=told,
            more_title=f"More {section.label} stories" if section else "More stories",
            more=[self._teaser(one, directory, is_named=False) for one in more],
        )

    def opml(self, kind: str | None = None) -> WerkzeugResponse:
        with self._store.read() as connection:
            directory = self._directory.at(connection)
        if kind is None:
            document = opml.document(self._site, directory.groups)
        elif group := directory.group(kind):
            document = opml.document(self._site, [group], group.title)
        else:
            abort(404)
        return cacheable(
            document, _OPML, f"public, max-age={_MAX_AGE}", headers=SECURITY_HEADERS | dict(CORS)
        )

    def partner_opml(self, name: str) -> WerkzeugResponse:
        """The feeds of the partner whose token came with the request: the door lets nobody else here."""
        holder: Token | None = request.environ.get(HOLDER)
        if holder is None or holder.name != name:
            abort(404)
        with self._store.read() as connection:
            published = representations.listings(connection, name)
        partner = self._rules.partner(name)
        given = [
            one._replace(formats=formats)
            for one in published
            if partner and (formats := tuple(f for f in one.formats if partner.is_given(one.key, f)))
        ]
        directory = Directory(self._site, given, name)
        return cacheable(
            opml.document(self._site, directory.groups, partner=name),
            _OPML,
            f"private, max-age={_MAX_AGE}",
            vary="Authorization, Accept-Encoding",
            headers=SECURITY_HEADERS,
        )

    def sitemap(self) -> WerkzeugResponse:
        now = self._clock()
        with self._store.read() as connection:
            newest = articles.window(connection, "all", now)
            recent = takewhile(lambda one: now < one.visible_from + sitemap.LISTED_FOR, newest)
            listable = (one for one in recent if sitemap.is_listable(self._site, one))
            stories = self._shown(listable, sitemap.MOST, now)
            oldest_leaves = [one.visible_from + sitemap.LISTED_FOR for one in stories[-1:]]
            max_age = _max_age(connection, now, *oldest_leaves)
        return _answer(sitemap.document(self._site, stories), "application/xml; charset=utf-8", max_age)

    def robots(self) -> WerkzeugResponse:
        return _answer(sitemap.robots(self._site), "text/plain; charset=utf-8", _ROBOTS_MAX_AGE)

    def _page(
        self, template: str, max_age: int, directory: Directory, *, section: str = "", **values: Any
    ) -> WerkzeugResponse:
        """`section` is the path of slugs that the page belongs to, for the navigation to show."""
        current = mounted(self._site, page_path(f"sections/{section.partition('/')[0]}")) if section else ""
        page = self.templates.get_template(template).render(directory=directory, current=current, **values)
        return _answer(page.encode(), "text/html; charset=utf-8", max_age)

    def _teaser(self, article: Article, directory: Directory, *, is_named: bool = True) -> Teaser:
        section = self._section(article, directory) if is_named else None
        return teaser(self._site, article, section)

    def _section(self, article: Article, directory: Directory) -> PageLink | None:
        if not article.section:
            return None
        key = f"sections/{article.section}"
        return PageLink(
            directory.label(key) if key in directory else section_label(article),
            mounted(self._site, page_path(key)),
        )

    def _shown(self, candidates: Iterable[Article], most: int, now: datetime) -> tuple[Article, ...]:
        """The first of the stories that may be seen now, at most `most`, as every feed would show them."""
        rules = replace(self._rules, default=FeedSettings(items=most), by_key={})
        return selection.build("all", candidates, rules, rules.public, now).articles


def _templates(site: Site) -> Environment:
    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals |= {
        "site": site,
        "site_direction": direction(site.language),
        "root": prefix(site),
        "assets": {name: mounted(site, path) for name, path in ASSET_PATHS.items()},
    }
    return env


def _refuse_other_cases() -> None:
    """Methods are case-sensitive (RFC 9110 §9.1), which Werkzeug does not go by: `get` is not GET."""
    method = request.environ["REQUEST_METHOD"]
    if method != method.upper():
        raise MethodNotAllowed(["GET", "HEAD"])


def _normalised(name: str) -> str:
    """A part of the path as it may stand in a feed key or an id: NFC, as slugs are."""
    # No slug has a control character, and PostgreSQL raises on NUL.
    if any(char < " " or char == "\x7f" for char in name):
        abort(404)
    return unicodedata.normalize("NFC", name)


def _refused(
    connection: Connection, article: Article | None, story_id: str, rules: Rules, now: datetime
) -> WerkzeugResponse:
    """The answer instead of a story that may not be seen: 410 if it once could be, else 404.

    Nothing that was not public before may be told from it, least of all that there is such a story.
    """
    if article is not None and article.status == "published" and _has_expired(article, rules.public, now):
        return abort(410, description="This story is no longer available.")
    left = None
    if article is None or article.status == "withdrawn":
        left = tombstones.left_by(connection, story_id)  # one that was never let out leaves none
    if left is not None and "" in left.had_by and selection.has_come(left, now):
        return abort(410, description=f"This story was withdrawn. {left.reason}".strip())
    if story_id.endswith("/"):
        return _moved(mounted(rules.site, story_path(story_id.rstrip("/"))))
    return abort(404)


def _has_expired(article: Article, public: Audience, now: datetime) -> bool:
    """Whether a story could be seen by everybody, and its time is over."""
    expired = article.expires is not None and article.expires <= now
    return expired and article.expires is not None and was_eligible(article, public, article.expires)


def _moved(path: str) -> WerkzeugResponse:
    answer = Response("", 308, SECURITY_HEADERS)
    answer.headers["Location"] = path
    answer.headers["Cache-Control"] = f"public, max-age={_MAX_AGE}"
    return answer


def _max_age(connection: Connection, now: datetime, *ends: datetime) -> int:
    """Seconds a page may be kept: not beyond the next instant at which any story appears or expires.

    Nor beyond `ends`, where there are others at which what the page says changes.
    """
    transition = articles.next_transition(connection, now)
    instants = (*ends, transition) if transition else ends
    return min([_MAX_AGE, *(int((instant - now).total_seconds()) for instant in instants)])


def _answer(body: bytes, content_type: str, max_age: int) -> WerkzeugResponse:
    return cacheable(body, content_type, f"public, max-age={max_age}", headers=SECURITY_HEADERS)
