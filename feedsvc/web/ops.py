"""What an operator's tools ask: /healthz (alive), /readyz (published and fresh), /metrics (Prometheus).

Knows nothing of pages or of how feeds are made: numbers come from the store and from the counters handed in.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from flask import Blueprint, Response, jsonify
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from feedsvc import __version__
from feedsvc.config import Config
from feedsvc.errors import ConfigError
from feedsvc.model import FORMATS
from feedsvc.store import articles, conditions, dirty, outbox, removals, representations, sources
from feedsvc.store.schema import Store, read_meta
from feedsvc.web.tally import Tally

log = structlog.get_logger(__name__)

Counters = Callable[[], Mapping[tuple[str, int], int]]

_REFRESHED_AT = "refreshed_at"
_REMEDIES = {removals.HELD: removals.CONFIRM}
"""Condition → the command that ends it, where there is one; it names no path."""


def blueprint(
    store: Store,
    counters: Counters,
    fresh_within: timedelta,
    clock: Callable[[], datetime],
    *,
    with_metrics: bool = True,
) -> Blueprint:
    """The endpoints for operators: GET and HEAD only, and never cached; /metrics only `with_metrics`.

    `counters` gives how many requests for feeds all workers together answered, by (format, status). It is
    ready if something was published and the refresher ran within `fresh_within`. `clock` returns aware UTC.
    """
    figures = registry(store, counters, clock)
    views: dict[str, Callable[[], Response]] = {
        "healthz": lambda: Response("ok", mimetype="text/plain"),
        "readyz": lambda: _readiness(store, fresh_within, clock()),
        "metrics": lambda: Response(generate_latest(figures), content_type=CONTENT_TYPE_LATEST),
    }
    if not with_metrics:
        del views["metrics"]
    routes = Blueprint("ops", __name__)
    for name, view in views.items():
        routes.add_url_rule(f"/{name}", name, view, methods=["GET"], provide_automatic_options=False)
    routes.after_request(_never_kept)
    return routes


def registry(store: Store, counters: Counters, clock: Callable[[], datetime]) -> CollectorRegistry:
    """What Prometheus is told of the store, the requests and this process."""
    made = CollectorRegistry()
    made.register(_Numbers(store, counters, clock))
    ProcessCollector(registry=made)
    return made


@contextmanager
def metrics_listener(config: Config, folder: Path) -> Iterator[None]:
    """/metrics on a listener of its own, if the configuration names one. Raises ConfigError if it is taken.

    `folder` is that of the workers, whose counts it tells; those of the process are this one's.
    """
    if not config.http.metrics:
        yield
        return
    host, _, port = config.http.metrics.rpartition(":")
    store = Store(config.store_url)
    figures = registry(store, Tally(dict, folder).total, lambda: datetime.now(UTC))
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), figures)
    except OSError as error:
        raise ConfigError(
            f"http.metrics: cannot listen at {host}:{port}: {error.strerror or error}"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        store.close()


def _never_kept(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _readiness(store: Store, fresh_within: timedelta, now: datetime) -> Response:
    refreshed_at: str | None = None
    degraded: list[str] = []
    try:
        with store.read() as connection:
            published, _ = representations.publication(connection)
            refreshed_at = read_meta(connection, _REFRESHED_AT)
            # Names alone: the details may name hosts and paths, as an error's message may.
            degraded = [one.name for one in conditions.current(connection)]
        failed = _failed_checks(published, refreshed_at, fresh_within, now)
    except Exception as error:  # whatever ails the store, a load balancer needs an answer
        log.warning("readiness_check_failed", error=repr(error))
        # The message may name hosts and paths, which are not for everybody who can ask.
        failed = {"store": f"the store does not answer ({type(error).__name__})"}
    told = {"status": "not ready", "failed": failed} if failed else {"status": "ready"}
    remedies = {name: _REMEDIES[name] for name in degraded if name in _REMEDIES}
    answer = jsonify(**told, degraded=degraded, remedies=remedies, refreshed_at=refreshed_at)
    answer.status_code = 503 if failed else 200
    return answer


def _failed_checks(
    published: int, refreshed_at: str | None, fresh_within: timedelta, now: datetime
) -> dict[str, str]:
    failed: dict[str, str] = {}
    if not published:
        failed["published"] = "nothing has been published yet"
    if refreshed_at is None:
        failed["refreshed"] = "the refresher has not run yet"
    elif (age := now - datetime.fromisoformat(refreshed_at)) > fresh_within:
        failed["refreshed"] = (
            f"the refresher last ran {age.total_seconds():.0f} s ago; it should within "
            f"{fresh_within.total_seconds():.0f} s"
        )
    return failed


class _Numbers(Collector):
    """What Prometheus is told, read when it asks."""

    def __init__(self, store: Store, counters: Counters, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._counters = counters
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "feedsvc",
            "The feedsvc that answers; the numbers of the process are those of one worker.",
            {"version": __version__},
        )
        yield self._requests()
        yield self._partners()
        gauges: list[Metric] = []
        try:
            with self._store.read() as connection:
                gauges = [*_gauges(connection, self._clock()), _degraded(connection)]
        except Exception as error:  # that the store is gone is itself what must be told
            log.warning("metrics_without_store", error=repr(error))
        yield GaugeMetricFamily("feedsvc_store_up", "Whether the store answers: 1 or 0.", int(bool(gauges)))
        yield from gauges

    def _requests(self) -> CounterMetricFamily:
        requests = CounterMetricFamily(
            "feedsvc_feed_requests",
            "Requests for feeds, answered by all workers together.",
            labels=["format", "status"],
        )
        for (fmt, status), count in sorted(self._counters().items()):
            if fmt in FORMATS:
                requests.add_metric([fmt, str(status)], count)
        return requests

    def _partners(self) -> CounterMetricFamily:
        requests = CounterMetricFamily(
            "feedsvc_partner_requests",
            "Requests below /partners/: let in (200) by partner, and turned away (401, 429) by none.",
            labels=["partner", "outcome"],
        )
        for (name, outcome), count in sorted(self._counters().items()):
            if name not in FORMATS:
                requests.add_metric([name.partition(":")[2], str(outcome)], count)
        return requests


def _degraded(connection: Connection) -> Metric:
    degraded = GaugeMetricFamily(
        "feedsvc_degraded",
        "1 for each condition that an operator should look at; `feedsvc status` says more.",
        labels=["condition"],
    )
    for one in conditions.current(connection):
        degraded.add_metric([one.name], 1)
    return degraded


def _gauges(connection: Connection, now: datetime) -> list[Metric]:
    number, size = representations.totals(connection)
    waiting, oldest = dirty.backlog(connection)
    age = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
    refreshed_at = read_meta(connection, _REFRESHED_AT)
    refreshed = datetime.fromisoformat(refreshed_at).timestamp() if refreshed_at else 0.0
    quarantined = sources.waiting(connection)
    return [
        GaugeMetricFamily(f"feedsvc_{name}", text, value)
        for name, text, value in (
            ("articles", "Stories in the store, of every status.", articles.count(connection)),
            ("representations", "Published feeds, counted once in each format.", number),
            ("representation_bytes", "Bytes of all published feeds together.", size),
            ("dirty_feeds", "Feeds that wait to be published again.", waiting),
            ("dirty_oldest_seconds", "Seconds that the longest of them has waited; 0 if none does.", age),
            (
                "notices_waiting",
                "Notices to partners' webhooks that wait to be sent.",
                outbox.waiting(connection),
            ),
            (
                "held_stories",
                f"Stories that stay although their files are gone, until `{removals.CONFIRM}`.",
                removals.count_held(connection),
            ),
            ("quarantined_stories", "Story files set aside because they could not be loaded.", quarantined),
            (
                "last_refresh_timestamp_seconds",
                "When the refresher last ran, in seconds since 1970; 0 if never.",
                refreshed,
            ),
        )
    ]
