"""The parts of the web, put together: Flask, the feeds, the partners' door, what follows the store.

Knows what each part is given, and no rule of any.
"""

import atexit
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask

from feedsvc.config import options
from feedsvc.config.schema import Config
from feedsvc.domain.model import Format, Representation
from feedsvc.domain.urls import prefix
from feedsvc.store import representations
from feedsvc.store.schema import Store
from feedsvc.web.access.auth_throttle import WrongTokens
from feedsvc.web.access.client_address import networks
from feedsvc.web.access.rate_limit import Limits, Rate
from feedsvc.web.access.token_cache import Keyring
from feedsvc.web.api import routes as api
from feedsvc.web.feeds import routes
from feedsvc.web.feeds.cache import FeedCache
from feedsvc.web.feeds.dispatch import Feeds, without_prefix
from feedsvc.web.feeds.invalidation import Follower
from feedsvc.web.feeds.responder import FeedCounters, Responder
from feedsvc.web.ops import health
from feedsvc.web.ops.counters import Tally
from feedsvc.web.partners.delivery_log import Ledger
from feedsvc.web.partners.delivery_spool import Spool, spool_folder
from feedsvc.web.partners.routes import AddressAdmission, Admission, PartnerDoor, place_in_partner
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
    """The application over a store. `clock` returns aware UTC; the machine's, unless a test has another.

    `folder` is shared by the workers of a service; None if there is but this process. Of the extensions,
    "feedsvc-served" is what the server that comes with it needs.
    """
    now = clock or _now
    rules = options.rules(config)
    calendar = (lambda: clock().timestamp()) if clock else time.time
    limits = Limits(folder, calendar)
    trusted = networks(config.http.trusted_proxies)
    keyring = Keyring(store, now)
    ledger = Ledger(store, now, Spool(spool_folder(store, folder)))
    counters, licensed_counters = FeedCounters(), FeedCounters()
    # What partners are sent has a place of its own, where no request without a token is looked for.
    shares = (3, 1) if rules.partners else (4, 0)
    public, licensed = (_cache(config, store, share, calendar) for share in shares)
    admission = Admission(_rates(config), limits, ledger.record, ledger.confirm)
    door = PartnerDoor(
        Responder(
            licensed,
            licensed_counters,
            place_of=place_in_partner,
            admit=admission,
            confirm=admission.confirm,
        ),
        keyring=keyring,
        partners={one.name: one for one in rules.partners},
        wrong_tokens=WrongTokens(limits, trusted),
    )
    by_address = AddressAdmission(Rate(*config.http.rate), limits, trusted) if config.http.rate else None
    feeds = Feeds(Responder(public, counters, admit=by_address), door, prefix(rules.site))

    app = Flask(__name__, static_folder=None, template_folder="site/templates")
    app.register_blueprint(routes.blueprint(feeds))
    app.register_blueprint(pages.blueprint(store, rules, now))
    views = api.Api(config, store, rules, keyring, WrongTokens(limits, trusted), now)
    app.register_blueprint(api.blueprint(views))
    tally = Tally(lambda: {**counters.snapshot(), **door.snapshot()}, folder)
    app.register_blueprint(
        health.blueprint(
            store,
            tally.total,
            health.fresh_within(config),
            now,
            memory=public,
            with_metrics=not config.http.metrics,
        )
    )
    register_errors(app)
    # Wrapping wsgi_app is Flask's documented way.
    app.wsgi_app = Mounted(app.wsgi_app, prefix(rules.site))  # type: ignore[method-assign]

    def invalidate(changed: Iterable[tuple[str, str, Format]]) -> None:
        changed = list(changed)
        public.invalidate([one for one in changed if not one[0]])
        licensed.invalidate([one for one in changed if one[0]])

    def invalidate_all() -> None:
        public.invalidate_all()
        licensed.invalidate_all()
        ledger.forget()

    follower = Follower(store, invalidate, invalidate_all, tally.keep, keyring.look)
    app.extensions["feedsvc"] = follower
    app.extensions["feedsvc-ledger"] = ledger
    app.extensions["feedsvc-served"] = Served(feeds, keyring.may_open)
    if clock is None:
        follower.start()
        ledger.start()
        atexit.register(ledger.close)
    return app


def _cache(config: Config, store: Store, share: int, calendar: Callable[[], float]) -> FeedCache:
    """A cache of so many quarters of the memory there is for ready responses."""

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
