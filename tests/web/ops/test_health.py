import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from feedsvc import __version__
from feedsvc.domain import selection
from feedsvc.domain.model import Format, Rejected
from feedsvc.store import articles, conditions, dirty, health, representations, sources
from feedsvc.store.articles import ArticleWrite
from feedsvc.store.engine import Store
from feedsvc.store.meta import write_meta
from feedsvc.store.representations import Unpublished
from feedsvc.web.ops import health as ops
from tests.conftest import Clock
from tests.stories import NOON, article

FRESH_WITHIN = timedelta(minutes=3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'feedsvc.db'}")
    yield opened
    opened.close()


@pytest.fixture
def counters() -> dict[tuple[Format, int], int]:
    return {("rss", 200): 3, ("rss", 304): 40, ("json", 200): 0}


@pytest.fixture
def client(store: Store, clock: Clock, counters: dict[tuple[Format, int], int]) -> FlaskClient:
    app = Flask("operated", static_folder=None)
    app.register_blueprint(ops.blueprint(store, lambda: counters, FRESH_WITHIN, clock))
    return app.test_client()


def publish(store: Store, *bodies: bytes) -> None:
    with store.write() as tx:
        some = [
            Unpublished(f"tags/t{n}", "rss", "T", body, str(n), 300, NOON) for n, body in enumerate(bodies)
        ]
        representations.publish(tx, some, NOON)


def refresh(store: Store, clock: Clock) -> None:
    with store.write() as tx:
        write_meta(tx, "refreshed_at", clock().isoformat())


def lose(store: Store) -> None:
    with store.write() as tx:
        tx.execute(text("DROP TABLE meta"))


def numbers(client: FlaskClient) -> dict[str, float]:
    """What /metrics tells: name and labels as written → value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_alive_whatever_became_of_the_store(client: FlaskClient, store: Store) -> None:
    lose(store)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "ok", "text/plain")


def checked(client: FlaskClient, query: str = "") -> tuple[int, list[str], list[str]]:
    """The status of /readyz, which checks failed, and what is degraded."""
    answer = client.get(f"/readyz{query}")
    told = json.loads(answer.text)
    assert told["status"] == ("ready" if answer.status_code == 200 else "not ready")
    return answer.status_code, sorted(told.get("failed", {})), told["degraded"]


def test_ready_once_published_and_degraded_without_refresher(
    client: FlaskClient, store: Store, clock: Clock
) -> None:
    assert checked(client) == (503, ["published", "refreshed"], [])
    refresh(store, clock)
    assert checked(client) == (503, ["published"], [])
    publish(store, b"<rss/>")
    assert checked(client) == checked(client, "?strict=1") == (200, [], [])
    clock.forward(minutes=3)
    assert checked(client) == (200, [], [])
    clock.forward(seconds=1)
    assert checked(client) == (200, [], ["refresher-silent"])
    assert checked(client, "?strict=1") == (503, [], ["refresher-silent"])
    assert numbers(client)["feedsvc_degraded condition=refresher-silent"] == 1
    refresh(store, clock)
    with store.write() as tx:
        dirty.mark(tx, ["all"], clock())
    clock.forward(seconds=61)
    assert checked(client) == (200, [], ["feeds-late"])
    lose(store)
    assert checked(client) == (503, ["store"], ["store-damaged"])
    assert numbers(client)["feedsvc_degraded condition=store-damaged"] == 1


class Held:
    """The feeds in memory."""

    any = True
    ails: str | None = None

    def has_any(self) -> bool:
        return self.any

    def failing(self) -> str | None:
        return self.ails


def test_ready_from_memory_while_the_store_is_gone_or_hangs(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, go_on = Held(), threading.Event()
    app = Flask("operated", static_folder=None)
    monkeypatch.setattr(ops, "_STORE_SECONDS", 0.2)
    app.register_blueprint(ops.blueprint(store, dict, FRESH_WITHIN, clock, memory=memory))
    client = app.test_client()
    publish(store, b"<rss/>")
    refresh(store, clock)
    memory.ails = "store-damaged"
    assert checked(client) == (200, [], ["store-damaged"]), "another feed can't be read"
    memory.ails = None
    monkeypatch.setattr(representations, "probe", lambda _connection: go_on.wait(10))
    monkeypatch.setattr(health, "standing", lambda *_: go_on.wait(10) and [])
    for _ in range(2):
        assert checked(client) == (200, [], ["store-unreachable"])
    assert numbers(client)["feedsvc_store_up"] == 0
    memory.any = False
    assert checked(client) == (503, ["store"], ["store-unreachable"])
    go_on.set()
    monkeypatch.undo()
    lose(store)
    until = time.monotonic() + 10
    while checked(client)[0] != 503:  # as long as the answer of the one that hung is shared
        assert time.monotonic() < until
    memory.any = True
    assert checked(client) == (200, [], ["store-damaged"])
    assert checked(client, "?strict=1") == (503, [], ["store-damaged"])


def test_what_readiness_says_of_a_lost_store_names_no_place(client: FlaskClient, store: Store) -> None:
    lose(store)
    assert json.loads(client.get("/readyz").text)["failed"] == {
        "store": "the store does not answer (OperationalError)"
    }


def test_metrics_tell_what_the_store_holds_and_what_was_answered(
    client: FlaskClient, store: Store, clock: Clock
) -> None:
    publish(store, b"12345", b"1234567")
    refresh(store, clock)
    with store.write() as tx:
        stories = [ArticleWrite(name, selection.placed(article(name)), ()) for name in ("a", "b")]
        articles.apply(tx, stories, NOON)
        sources.put_in_quarantine(tx, [Rejected("x.md", 1, "bad")], NOON)
        dirty.mark(tx, ["all"], NOON - timedelta(seconds=90))
        dirty.mark(tx, ["tags/late"], NOON)
    told = numbers(client)
    expected = {
        f"feedsvc_info version={__version__}": 1,
        "feedsvc_feed_requests_total format=rss status=200": 3,
        "feedsvc_feed_requests_total format=rss status=304": 40,
        "feedsvc_feed_requests_total format=json status=200": 0,
        "feedsvc_store_up": 1,
        "feedsvc_articles": 2,
        "feedsvc_representations": 2,
        "feedsvc_representation_bytes": 12,
        "feedsvc_dirty_feeds": 2,
        "feedsvc_dirty_oldest_seconds": 90,
        "feedsvc_quarantined_stories": 1,
        "feedsvc_last_refresh_timestamp_seconds": NOON.timestamp(),
    }
    assert {name: told.get(name) for name in expected} == expected
    assert told["process_resident_memory_bytes"] > 0


def test_metrics_say_that_requests_are_those_of_all_workers(client: FlaskClient) -> None:
    assert "# HELP feedsvc_feed_requests_total Requests for feeds, answered by all workers together." in (
        client.get("/metrics").text
    )


def test_metrics_of_a_new_store_are_all_there(client: FlaskClient) -> None:
    told = numbers(client)
    assert (told["feedsvc_dirty_oldest_seconds"], told["feedsvc_last_refresh_timestamp_seconds"]) == (0, 0)
    assert told["feedsvc_store_up"] == 1


def test_metrics_are_told_without_the_store(client: FlaskClient, store: Store) -> None:
    lose(store)
    told = numbers(client)
    assert told["feedsvc_store_up"] == 0
    assert told["feedsvc_feed_requests_total format=rss status=304"] == 40
    assert "feedsvc_articles" not in told


def test_metrics_are_counted_anew_on_each_look(
    client: FlaskClient, counters: dict[tuple[Format, int], int]
) -> None:
    numbers(client)
    counters["rss", 200] += 1
    assert numbers(client)["feedsvc_feed_requests_total format=rss status=200"] == 4


def test_two_applications_in_one_process_do_not_share_metrics(store: Store, clock: Clock) -> None:
    for count in (1, 2):
        counted: dict[tuple[Format, int], int] = {("rss", 200): count}
        app = Flask("operated", static_folder=None)
        app.register_blueprint(ops.blueprint(store, lambda counted=counted: counted, FRESH_WITHIN, clock))
        assert numbers(app.test_client())["feedsvc_feed_requests_total format=rss status=200"] == count


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_operations_answers_are_never_kept_and_can_only_be_read(client: FlaskClient, path: str) -> None:
    answer, head = client.get(path), client.head(path)
    assert answer.headers["Cache-Control"] == head.headers["Cache-Control"] == "no-store"
    assert (head.status_code, head.data) == (answer.status_code, b"")
    for method in ("POST", "OPTIONS", "DELETE"):
        refused = client.open(path, method=method)
        assert (refused.status_code, refused.allow.as_set()) == (405, {"get", "head"})


def test_condition_is_told_until_it_is_over(client: FlaskClient, store: Store, clock: Clock) -> None:
    """/readyz names it without its detail, which may name paths; /metrics counts it."""
    publish(store, b"one")
    refresh(store, clock)
    with store.write() as tx:
        conditions.put(tx, "removals-held", "30 stories of content/world", clock())
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["degraded"]) == (200, ["removals-held"])
    assert "content/world" not in ready.text
    assert numbers(client)["feedsvc_degraded condition=removals-held"] == 1
    with store.write() as tx:
        conditions.clear(tx, "removals-held")
    assert client.get("/readyz").json["degraded"] == []
    assert "feedsvc_degraded condition=removals-held" not in numbers(client)


def test_condition_keeps_its_instant_and_says_what_is_new(store: Store, clock: Clock) -> None:
    with store.write() as tx:
        conditions.put(tx, "removals-held", "30 stories", clock())
    began = clock()
    clock.now += timedelta(minutes=1)
    with store.write() as tx:
        conditions.put(tx, "removals-held", "40 stories", clock())
        assert conditions.current(tx) == [("removals-held", "40 stories", began)]
