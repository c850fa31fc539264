"""The parts of the web, put together: Flask, the short cuts, the partners' door, what follows the store.

Knows what each part is given, and no rule of any.
"""

import atexit
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from multiprocessing.util import Finalize
from pathlib import Path

from flask import Flask

from feedsvc import config_values
from feedsvc.config import Config
from feedsvc.model import Format, Representation
from feedsvc.store import representations
from feedsvc.store.schema import Store
from feedsvc.web import api, feeds, ops, pages
from feedsvc.web.addresses import networks
from feedsvc.web.feed_cache import FeedCache
from feedsvc.web.follower import Follower
from feedsvc.web.keyring import Keyring
from feedsvc.web.ledger import Ledger
from feedsvc.web.limits import Limits, Rate
from feedsvc.web.partners import AddressAdmission, Admission, PartnerDoor, place_in_partner
from feedsvc.web.short_cut import FeedCounters, ShortCut, Slots
from feedsvc.web.spool import Spool, spool_folder
from feedsvc.web.tally import Tally
from feedsvc.web.wrong_tokens import WrongTokens

_FRESH_INTERVALS = 3  # a refresher that missed this many intervals is not well


def application(
    config: Config,
    store: Store,
    folder: Path | None = None,
    parent: int | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Flask:
    """The application over a store. `clock` returns aware UTC; the machine's, unless a test has another."""
    now = clock or _now
    rules = config_values.rules(config)
    calendar = (lambda: clock().timestamp()) if clock else time.time
    limits = Limits(folder, calendar)
    keyring = Keyring(store, now)
    counters, licensed_counters = FeedCounters(), FeedCounters()
    # What partners are sent has a place of its own, where no request without a token is looked for.
    shares = (3, 1) if rules.partners else (4, 0)
    public, licensed = (_cache(config, store, share, calendar) for share in shares)

    app = Flask(__name__, static_folder=None)
    app.register_blueprint(feeds.blueprint())
    app.register_blueprint(pages.blueprint(store, rules, now))
    # One thread is always left for what needs no store. Wrapping wsgi_app is Flask's documented way.
    slots = Slots(max(1, config.http.threads - 1))
    trusted = networks(config.http.trusted_proxies)
    views = api.Api(config, store, rules, keyring, WrongTokens(limits, trusted), now)
    app.register_blueprint(api.blueprint(views))
    ledger = Ledger(store, now, Spool(spool_folder(store, folder)))
    admission = Admission(_rates(config), limits, ledger.record, ledger.confirm)
    door = PartnerDoor(
        app.wsgi_app,
        ShortCut(
            app.wsgi_app,
            licensed,
            licensed_counters,
            slots=slots,
            place_of=place_in_partner,
            admit=admission,
            confirm=admission.confirm,
        ),
        keyring=keyring,
        partners={one.name: one for one in rules.partners},
        slots=slots,
        limits=limits,
        trusted=trusted,
    )
    tally = Tally(lambda: {**counters.snapshot(), **door.snapshot()}, folder)
    fresh_within = timedelta(seconds=_FRESH_INTERVALS * config.schedule.refresh)
    app.register_blueprint(ops.blueprint(store, tally.total, fresh_within, now))
    pages.register_errors(app)
    by_address = AddressAdmission(Rate(*config.http.rate), limits, trusted) if config.http.rate else None
    app.wsgi_app = ShortCut(  # type: ignore[method-assign]
        app.wsgi_app, public, counters, slots=slots, admit=by_address, door=door
    )

    def forget(changed: Iterable[tuple[str, str, Format]]) -> None:
        changed = list(changed)
        public.forget([one for one in changed if not one[0]])
        licensed.forget([one for one in changed if one[0]])

    def forget_all() -> None:
        public.forget_all()
        licensed.forget_all()
        ledger.forget()

    follower = Follower(store, forget, forget_all, tally.keep, parent, keyring.look)
    app.extensions["feedsvc"] = follower
    app.extensions["feedsvc-ledger"] = ledger
    if clock is None:
        follower.start()
        ledger.start()
        at_end(ledger.close)
    return app


def _cache(config: Config, store: Store, share: int, calendar: Callable[[], float]) -> FeedCache:
    """A cache of so many quarters of the memory there is for ready answers."""

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


def at_end(call: Callable[[], None], *, first: bool = False) -> None:
    """Have something done when this process ends: a worker does not end as other programs do."""
    atexit.register(call)
    Finalize(None, call, exitpriority=20 if first else 10)


def _now() -> datetime:
    return datetime.now(UTC)
