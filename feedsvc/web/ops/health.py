"""Serves monitoring: /healthz (alive), /readyz (can answer feeds), /metrics (Prometheus).

Knows nothing of pages or of how feeds are made: the numbers come from the store and from the given counters.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import structlog
from flask import Blueprint, Response, jsonify, request
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
from feedsvc.config.schema import Config
from feedsvc.config.store import opened
from feedsvc.domain.model import FORMATS
from feedsvc.store import (
    articles,
    dirty,
    health,
    outbox,
    removals,
    representations,
    sources,
    trouble,
)
from feedsvc.store.engine import Store
from feedsvc.util.errors import ConfigError
from feedsvc.util.repeated_faults import Faults
from feedsvc.web.ops.bounded_call import Asking
from feedsvc.web.ops.counters import WorkerCounters

log = structlog.get_logger(__name__)

Counters = Callable[[], Mapping[tuple[str, int], int]]

_STORE_SECONDS: Final = 2.0  # to wait for the store; after that it is reported as not answering
_REMEDIES = {removals.HELD: removals.CONFIRM}
"""Condition → the command that ends it, where there is one; the commands name no path."""


class Memory(Protocol):
    """The feeds that a process has in memory."""

    def has_any(self) -> bool:
        """Whether there is at least one that may be shown."""

    def failing(self) -> str | None:
        """The name of the store's condition if the last attempt to load a feed failed recently; else None."""


def blueprint(
    store: Store,
    counters: Counters,
    fresh_within: timedelta,
    clock: Callable[[], datetime],
    *,
    memory: Memory | None = None,
    with_metrics: bool = True,
) -> Blueprint:
    """The endpoints for operators: GET and HEAD only, never cached; /metrics only `with_metrics`.

    `counters` returns how many requests for feeds all workers together answered, by (format, status). The
    process is ready while it can answer feeds, from the store or from `memory`. The refresher is healthy
    if it ran within `fresh_within`. `clock` returns aware UTC.
    """
    figures = registry(store, counters, clock, fresh_within)
    readiness = _Readiness(store, memory, fresh_within, clock)
    views: dict[str, Callable[[], Response]] = {
        "healthz": lambda: Response("ok", mimetype="text/plain"),
        "readyz": readiness.answer,
        "metrics": lambda: Response(generate_latest(figures), content_type=CONTENT_TYPE_LATEST),
    }
    if not with_metrics:
        del views["metrics"]
    routes = Blueprint("ops", __name__)
    for name, view in views.items():
        routes.add_url_rule(f"/{name}", name, view, methods=["GET"], provide_automatic_options=False)
    routes.after_request(_never_kept)
    return routes


def fresh_within(config: Config) -> timedelta:
    """How long ago the last run of a healthy refresher may be."""
    return health.within(config.schedule.refresh)


def registry(
    store: Store,
    counters: Counters,
    clock: Callable[[], datetime],
    fresh_within: timedelta,
    *,
    is_alone: bool = False,
) -> CollectorRegistry:
    """The registry with the metrics of the store, the requests and this process.

    `is_alone`: nothing else in this process reopens the store if its file is replaced, so the metrics do.
    """
    made = CollectorRegistry()
    made.register(_Numbers(store, counters, clock, fresh_within, is_alone))
    ProcessCollector(registry=made)
    return made


@contextmanager
def metrics_listener(config: Config, folder: Path) -> Iterator[None]:
    """Serve /metrics on a listener of its own, if the configuration names one.

    `folder` is the workers' shared one, with their counts; process metrics are those of the calling process.
    Raises ConfigError if it cannot listen at the address.
    """
    if not config.http.metrics:
        yield
        return
    host, _, port = config.http.metrics.rpartition(":")
    store = opened(config)
    total = WorkerCounters(dict, folder).total
    figures = registry(store, total, lambda: datetime.now(UTC), fresh_within(config), is_alone=True)
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


class _Seen(NamedTuple):
    """What the store says: the last publication's number, when the refresher ran, what is degraded."""

    published: int
    refreshed_at: datetime | None
    degraded: Sequence[str]


class _Readiness:
    """/readyz: 200 while feeds can be answered; other conditions are listed under `degraded`."""

    def __init__(
        self,
        store: Store,
        memory: Memory | None,
        fresh_within: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._memory = memory
        self._fresh_within = fresh_within
        self._clock = clock
        self._faults = Faults(log)
        self._asking = Asking(self._seen, _STORE_SECONDS)

    def _seen(self) -> _Seen:
        with self._store.read() as connection:
            published, _ = representations.publication(connection)
            refreshed_at = health.refreshed_at(connection)
            found = health.standing(self._store, connection, self._clock(), self._fresh_within)
            representations.probe(connection)
        # Only names: the details may contain hosts and paths, and the endpoint may be public.
        return _Seen(published, refreshed_at, [one.name for one in found])

    def answer(self) -> Response:
        refreshed_at: datetime | None = None
        degraded: set[str] = set()
        failed: dict[str, str] = {}
        try:
            published, refreshed_at, names = self._asking.answer()
            degraded.update(names)
            failed = _unpublished(published, refreshed_at)
            self._faults.over("readyz")
        except Exception as error:  # whatever is wrong with the store, a load balancer needs a response
            found_wrong = trouble.of(error)
            self._faults.failed("readyz", "readiness_check_failed", found_wrong.words)
            degraded.add(found_wrong.condition)
            if self._memory is None or not self._memory.has_any():
                # Not the message: it may contain hosts and paths, and the endpoint may be public.
                failed = {"store": f"the store does not answer ({type(error).__name__})"}
        if self._memory is not None and (condition := self._memory.failing()):
            degraded.add(condition)
        return _told(failed, sorted(degraded), refreshed_at, strict=request.args.get("strict") == "1")


def _told(
    failed: Mapping[str, str], degraded: Sequence[str], refreshed_at: datetime | None, *, strict: bool
) -> Response:
    is_ready = not (failed or (strict and degraded))
    answer = jsonify(
        status="ready" if is_ready else "not ready",
        **({"failed": failed} if failed else {}),
        degraded=degraded,
        remedies={name: _REMEDIES[name] for name in degraded if name in _REMEDIES},
        refreshed_at=refreshed_at.isoformat() if refreshed_at else None,
    )
    answer.status_code = 200 if is_ready else 503
    return answer


def _unpublished(published: int, refreshed_at: datetime | None) -> dict[str, str]:
    failed: dict[str, str] = {}
    if not published:
        failed["published"] = "nothing has been published yet"
    if refreshed_at is None:
        failed["refreshed"] = "the refresher has not run yet"
    return failed


class _Numbers(Collector):
    """The metrics, read from store and counters on each scrape."""

    def __init__(
        self,
        store: Store,
        counters: Counters,
        clock: Callable[[], datetime],
        fresh_within: timedelta,
        is_alone: bool,
    ) -> None:
        self._store = store
        self._is_alone = is_alone
        self._counters = counters
        self._clock = clock
        self._fresh_within = fresh_within
        self._faults = Faults(log)
        self._asking = Asking(self._seen, _STORE_SECONDS)

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "feedsvc",
            "The feedsvc that answers; the numbers of the process are those of one worker.",
            {"version": __version__},
        )
        yield self._requests()
        yield self._partners()
        try:
            gauges, degraded = self._asking.answer()
            self._faults.over("metrics")
        except Exception as error:  # an unavailable store must be reported, too
            found_wrong = trouble.of(error)
            self._faults.failed("metrics", "metrics_without_store", found_wrong.words)
            gauges, degraded = [], [found_wrong.condition]
        yield GaugeMetricFamily("feedsvc_store_up", "Whether the store answers: 1 or 0.", int(bool(gauges)))
        yield from gauges
        yield _degraded(degraded)

    def _seen(self) -> tuple[list[Metric], list[str]]:
        if self._is_alone and self._store.was_replaced:
            self._store.reopen(health.is_filled)
        with self._store.read() as connection:
            now = self._clock()
            found = health.standing(self._store, connection, now, self._fresh_within)
            return _gauges(connection, now), [one.name for one in found]

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


def _degraded(names: Iterable[str]) -> Metric:
    degraded = GaugeMetricFamily(
        "feedsvc_degraded",
        "1 for each condition that an operator should look at; `feedsvc status` says more.",
        labels=["condition"],
    )
    for name in sorted(set(names)):
        degraded.add_metric([name], 1)
    return degraded


def _gauges(connection: Connection, now: datetime) -> list[Metric]:
    number, size = representations.totals(connection)
    waiting, oldest = dirty.backlog(connection)
    age = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
    refreshed_at = health.refreshed_at(connection)
    refreshed = refreshed_at.timestamp() if refreshed_at else 0.0
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
