"""Puts the parts of the web together: Flask, feeds, partners, the API, and what polls the store.

Knows what each part is given, and no rule of any.
"""

import atexit
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, Flask

from feedsvc.config import options
from feedsvc.config.schema import Config
from feedsvc.domain.model import Format, Representation
from feedsvc.domain.urls import prefix
from feedsvc.store import representations
from feedsvc.store.engine import Store
from feedsvc.web.access.auth_throttle import AuthThrottle
from feedsvc.web.access.client_address import networks
from feedsvc.web.access.rate_limit import Limits, Rate
from feedsvc.web.access.token_cache import TokenCache
from feedsvc.web.api import routes as api
from feedsvc.web.feeds import routes
from feedsvc.web.feeds.cache import FeedCache
from feedsvc.web.feeds.dispatch import Feeds, without_prefix
from feedsvc.web.feeds.invalidation import InvalidationPoller
from feedsvc.web.feeds.responder import FeedCounters, Responder
from feedsvc.web.ops import health
from feedsvc.web.ops.counters import WorkerCounters
from feedsvc.web.partners.delivery_log import DeliveryLog
from feedsvc.web.partners.delivery_spool import Spool, spool_folder
from feedsvc.web.partners.routes import AddressAdmission, Admission, PartnerAuth, place_in_partner
from feedsvc.web.site import pages
from feedsvc.web.site.errors import register_errors

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Served(NamedTuple):
    """What a server that knows feedsvc asks beside the WSGI application itself.

    `may_push` says whether an Authorization field opens the API, or isn't known not to.
    """

    feeds: Feeds
    may_push: Callable[[str | None], bool]


def application(
    config: Config,
    store: Store,
    folder: Path | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Flask:
    """The application over a store. `clock` returns aware UTC: the machine's time, unless a test has another.

    `folder` is shared by the workers of a service; None if this process is the only one. Of the extensions,
    "feedsvc-served" is what feedsvc's own server needs.
    """
    parts = _Parts(config, store, folder, clock)
    app = Flask(__name__, static_folder=None, template_folder="site/templates")
    for one in parts.blueprints():
        app.register_blueprint(one)
    register_errors(app)
    # Wrapping wsgi_app is Flask's documented way.
    app.wsgi_app = Mounted(app.wsgi_app, prefix(parts.rules.site))  # type: ignore[method-assign]
    poller = parts.poller()
    app.extensions["feedsvc"] = poller
    app.extensions["feedsvc-ledger"] = parts.ledger
    app.extensions["feedsvc-served"] = Served(parts.feeds, parts.token_cache.may_open)
    if clock is None:
        poller.start()
        parts.ledger.start()
        atexit.register(parts.ledger.close)
    return app


class _Parts:
    """The parts of the web, each made once, with what it is given."""

    def __init__(
        self, config: Config, store: Store, folder: Path | None, clock: Callable[[], datetime] | None
    ) -> None:
        self._config, self._store = config, store
        self._now = clock or _now
        self.rules = options.rules(config)
        calendar = (lambda: clock().timestamp()) if clock else time.time
        self._limits = Limits(folder, calendar)
        self._trusted = networks(config.http.trusted_proxies)
        self.token_cache = TokenCache(store, self._now)
        self.ledger = DeliveryLog(store, self._now, Spool(spool_folder(store, folder)))
        # Partners' responses have a cache of their own: no request without a token looks there.
        shares = (3, 1) if self.rules.partners else (4, 0)
        self._public, self._licensed = (_cache(config, store, share, calendar) for share in shares)
        counters = FeedCounters()
        door = self._partner_door()
        by_address = None
        if config.http.rate:
            by_address = AddressAdmission(Rate(*config.http.rate), self._limits, self._trusted)
        public = Responder(self._public, counters, admit=by_address)
        self.feeds = Feeds(public, door, prefix(self.rules.site))
        self._worker_counters = WorkerCounters(lambda: {**counters.snapshot(), **door.snapshot()}, folder)

    def _partner_door(self) -> PartnerAuth:
        admission = Admission(_rates(self._config), self._limits, self.ledger.record, self.ledger.confirm)
        responder = Responder(
            self._licensed,
            FeedCounters(),
            place_of=place_in_partner,
            admit=admission,
            confirm=admission.confirm,
        )
        return PartnerAuth(
            responder,
            token_cache=self.token_cache,
            partners={one.name: one for one in self.rules.partners},
            auth_throttle=AuthThrottle(self._limits, self._trusted),
        )

    def blueprints(self) -> Iterator[Blueprint]:
        """The routes of feeds, pages, the API, and for those who run the service."""
        config, store, now = self._config, self._store, self._now
        yield routes.blueprint(self.feeds)
        yield pages.blueprint(store, self.rules, now)
        auth_throttle = AuthThrottle(self._limits, self._trusted)
        yield api.blueprint(api.Api(config, store, self.rules, self.token_cache, auth_throttle, now))
        yield health.blueprint(
            store,
            self._worker_counters.total,
            health.fresh_within(config),
            now,
            memory=self._public,
            with_metrics=not config.http.metrics,
        )

    def poller(self) -> InvalidationPoller:
        """What polls the store for publications, and invalidates cached responses."""
        return InvalidationPoller(
            self._store,
            self._invalidate,
            self._invalidate_all,
            self._worker_counters.keep,
            self.token_cache.look,
        )

    def _invalidate(self, changed: Iterable[tuple[str, str, Format]]) -> None:
        changed = list(changed)
        self._public.invalidate([one for one in changed if not one[0]])
        self._licensed.invalidate([one for one in changed if one[0]])

    def _invalidate_all(self) -> None:
        self._public.invalidate_all()
        self._licensed.invalidate_all()
        self.ledger.forget()


def _cache(config: Config, store: Store, share: int, calendar: Callable[[], float]) -> FeedCache:
    """A cache with `share` quarters of the memory for responses (`http.cache`)."""

    def load(key: str, fmt: Format, partner: str) -> Representation | None:
        with store.read() as connection:
            return representations.get(connection, key, fmt, partner)

    return FeedCache(
        load,
        max_bytes=config.http.cache * share // 4,
        site=options.site(config),
        stale_while_revalidate=config.http.stale_while_revalidate,
        stale_if_error=config.http.stale_if_error,
        calendar=calendar,
    )


def _rates(config: Config) -> dict[str, Rate | None]:
    return {name: Rate(*one.rate) if one.rate else None for name, one in config.partners.items()}


def _now() -> datetime:
    return datetime.now(UTC)


class Mounted:
    """An application below a prefix ("/news"), whether or not a proxy has removed it from the path.

    What the server itself gives as SCRIPT_NAME is not looked at: links follow from the configuration alone.
    """

    def __init__(self, app: "WSGIApplication", prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["PATH_INFO"] = without_prefix(environ.get("PATH_INFO", ""), self._prefix)
        environ["SCRIPT_NAME"] = self._prefix
        return self._app(environ, start_response)
