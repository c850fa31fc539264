"""A shelf of feeds in place of the store, clocks moved by hand, and what answers from them, for tests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Flask
from werkzeug.test import Client, TestResponse

from feedsvc.domain.model import Format, Representation, Site
from feedsvc.web.feeds.cache import Entry, FeedCache
from feedsvc.web.feeds.dispatch import Feeds
from feedsvc.web.feeds.places import Place, place_of
from feedsvc.web.feeds.responder import FeedCounters, FeedRequest, Responder
from feedsvc.web.feeds.response import Response
from feedsvc.web.feeds.routes import blueprint

SITE = Site(
    name="The Daily Example", url="https://news.example.org", language="en", authority="a.example,2026"
)
CHANGED = datetime(2026, 2, 11, 14, 0, 5, tzinfo=UTC)
BODY = b"<rss><channel><title>Harbour reopens</title></channel></rss>" * 60


def feed(key: str = "all", fmt: Format = "rss", body: bytes = BODY, digest: str = "d1") -> Representation:
    return Representation(key, fmt, key.title(), body, digest, CHANGED, 300)


@dataclass
class Shelf:
    """A store of representations that can be broken, and counts what it is asked."""

    feeds: dict[tuple[str, Format], Representation] = field(default_factory=dict)
    broken: bool = False
    asked: list[tuple[str, Format]] = field(default_factory=list)
    during_load: Callable[[], None] | None = None

    def put(self, *published: Representation) -> None:
        for one in published:
            self.feeds[one.key, one.format] = one

    def load(self, key: str, fmt: Format, partner: str = "") -> Representation | None:
        assert not partner, "a shelf has everybody's feeds only"
        self.asked.append((key, fmt))
        found = self.feeds.get((key, fmt))
        if self.during_load:
            self.during_load()
        if self.broken:
            raise OSError("the store is gone")
        return found


@dataclass
class Hands:
    """A clock moved by hand, in seconds."""

    at: float = 1_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Service:
    """A real Flask application with feeds, and everything a test wants to reach into."""

    shelf: Shelf
    cache: FeedCache
    counters: FeedCounters
    clock: Hands
    calendar: Hands
    flask: Flask
    responder: Responder
    feeds: Feeds
    client: Client

    def get(self, path: str, method: str = "GET", **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(path, method=method, headers=named)


def made_cache(
    shelf: Shelf, max_bytes: int = 10_000_000, clock: Hands | None = None, calendar: Hands | None = None
) -> FeedCache:
    """A cache over the shelf."""
    return FeedCache(
        shelf.load,
        max_bytes=max_bytes,
        site=SITE,
        stale_while_revalidate=60,
        stale_if_error=86_400,
        clock=clock or Hands(),
        calendar=calendar or Hands(CHANGED.timestamp() + 3600),
    )


class NoDoor:
    """Partners' feeds where there are none."""

    def respond(self, _request: FeedRequest) -> Response | None:
        return None

    def from_memory(self, _request: FeedRequest) -> Response | None:
        return None

    def last_resort(self, _request: FeedRequest) -> Response:
        raise AssertionError


def made_service(*published: Representation, max_bytes: int = 10_000_000) -> Service:
    """A service with these feeds on its shelf, an hour after they changed."""
    shelf = Shelf()
    shelf.put(*published)
    clock, calendar, counters = Hands(), Hands(CHANGED.timestamp() + 3600), FeedCounters()
    cache = made_cache(shelf, max_bytes, clock, calendar)
    responder = Responder(cache, counters)
    feeds = Feeds(responder, NoDoor())
    flask = Flask("around")
    flask.register_blueprint(blueprint(feeds))
    flask.add_url_rule("/page", "page", lambda: "a page")
    flask.add_url_rule("/healthz", "healthz", lambda: "ok")
    return Service(shelf, cache, counters, clock, calendar, flask, responder, feeds, Client(flask))


def place(key: str = "all", fmt: Format = "rss") -> Place:
    found = place_of(f"/feeds/{key}.{fmt}".encode().decode("latin-1"))
    assert found is not None
    return found


def found_in(cache: FeedCache, wanted: Place) -> Entry:
    entry = cache.find(wanted)
    assert entry is not None
    return entry
