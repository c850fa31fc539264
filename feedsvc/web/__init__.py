"""The web: Flask behind a WSGI short cut, reading what the refresher published.

Knows nothing of loading, rendering or refreshing.
"""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from feedsvc import config_file, config_values
from feedsvc.config import Config
from feedsvc.logs import set_up_logging
from feedsvc.model import Format, Representation
from feedsvc.store import representations
from feedsvc.store.schema import Store
from feedsvc.web import feeds, ops, pages
from feedsvc.web.feed_cache import FeedCache
from feedsvc.web.follower import Follower
from feedsvc.web.handover import handed_over
from feedsvc.web.short_cut import FeedCounters, ShortCut
from feedsvc.web.tally import Tally

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_FRESH_INTERVALS = 3  # a refresher that missed this many intervals is not well


def create_app(config: Config | None = None) -> Flask:
    """The Flask application, its `wsgi_app` wrapped by the short cut.

    Without `config`, the file that FEEDSVC_CONFIG names (else `config.toml` here) is read. Raises ConfigError
    or StoreError.
    """
    if config is None:
        config = config_file.load(Path(os.environ.get("FEEDSVC_CONFIG", "config.toml")), os.environ)
        set_up_logging(config.log.level, config.log.format)
    return _application(config, Store(config.store_url))


def create_worker_app() -> "WSGIApplication":
    """The application of one of `feedsvc serve`'s workers, with what it was handed: Granian calls it."""
    _work_in_batches()
    config, folder, parent = handed_over()
    set_up_logging(config.log.level, config.log.format)
    # The short cut itself: Flask would only call it.
    return _application(config, Store(config.store_url, create=False), folder, parent).wsgi_app


def _work_in_batches() -> None:
    """Have a thread of this process that wakes up wait until the one that runs has no more to do.

    A request passes from the thread that reads sockets to one that runs Python, and its answer back. On one
    core each would interrupt the other for every single one; so they pass on what has gathered meanwhile.
    """
    with suppress(AttributeError, OSError):  # there is none but on Linux, and a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _application(
    config: Config, store: Store, folder: Path | None = None, parent: int | None = None
) -> Flask:
    rules = config_values.rules(config)
    counters = FeedCounters()
    tally = Tally(counters.snapshot, folder)

    def load(key: str, fmt: Format) -> Representation | None:
        with store.read() as connection:
            return representations.get(connection, key, fmt)

    cache = FeedCache(
        load,
        max_bytes=config.http.cache,
        site=rules.site,
        stale_while_revalidate=config.http.stale_while_revalidate,
        stale_if_error=config.http.stale_if_error,
    )
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(feeds.blueprint())
    app.register_blueprint(pages.blueprint(store, rules, _now))
    fresh_within = timedelta(seconds=_FRESH_INTERVALS * config.schedule.refresh)
    app.register_blueprint(ops.blueprint(store, tally.total, fresh_within, _now))
    pages.register_errors(app)
    # One thread is always left for what needs no store. Wrapping wsgi_app is Flask's documented way.
    slow = max(1, config.http.threads - 1)
    app.wsgi_app = ShortCut(app.wsgi_app, cache, counters, slow=slow)  # type: ignore[method-assign]
    follower = Follower(store, cache.forget, cache.forget_all, tally.keep, parent)
    follower.start()
    app.extensions["feedsvc"] = follower
    return app


def _now() -> datetime:
    return datetime.now(UTC)
