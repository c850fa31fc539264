"""The parts of the web, put together: Flask, the feeds, the partners' door, what follows the store.

Knows what each part is given, and no rule of any.
"""

import atexit
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from flask import Flask

from feedsvc import config_values
from feedsvc.config import Config
from feedsvc.model import Format, Representation
from feedsvc.store import representations
from feedsvc.store.schema import Store
from feedsvc.urls import prefix
from feedsvc.web import api, ops, pages
from feedsvc.web.addresses import networks
from feedsvc.web.feeds import routes
from feedsvc.web.feeds.cache import FeedCache
from feedsvc.web.feeds.dispatch import Feeds
from feedsvc.web.feeds.invalidation import Follower
from feedsvc.web.feeds.responder import FeedCounters, Responder
from feedsvc.web.keyring import Keyring
from feedsvc.web.ledger import Ledger
from feedsvc.web.limits import Limits, Rate
from feedsvc.web.mounting import Mounted
from feedsvc.web.partners import AddressAdmission, Admission, PartnerDoor, place_in_partner
from feedsvc.web.spool import Spool, spool_folder
from feedsvc.web.tally import Tally
from feedsvc.web.wrong_tokens import WrongTokens


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
    rules = config_values.rules(config)
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

    app = Flask(__name__, static_folder=None)
    app.register_blueprint(routes.blueprint(feeds))
    app.register_blueprint(pages.blueprint(store, rules, now))
    views = api.Api(config, store, rules, keyring, WrongTokens(limits, trusted), now)
    app.register_blueprint(api.blueprint(views))
    tally = Tally(lambda: {**counters.snapshot(), **door.snapshot()}, folder)
    app.register_blueprint(
        ops.blueprint(
            store,
            tally.total,
            ops.fresh_within(config),
            now,
            memory=public,
            with_metrics=not config.http.metrics,
        )
    )
    pages.register_errors(app)
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
        site=config_values.site(config),
        stale_while_revalidate=config.http.stale_while_revalidate,
        stale_if_error=config.http.stale_if_error,
        calendar=calendar,
    )


def _rates(config: Config) -> dict[str, Rate | None]:
    return {name: Rate(*one.rate) if one.rate else None for name, one in config.partners.items()}


def _now() -> datetime:
    return datetime.now(UTC)
