import itertools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from flask import Flask, Response, request
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from feedsvc.web.feeds import cache as cache_module
from feedsvc.web.feeds import conditional as caching
from feedsvc.web.feeds.cache import Entry, FeedCache, FeedUnavailableError
from feedsvc.web.feeds.encoding import Coding
from feedsvc.web.feeds.places import place_of
from feedsvc.web.feeds.response import CORS
from feedsvc.web.feeds.variants import Variant, ready_variant
from tests.shelves import (
    BODY,
    CHANGED,
    SITE,
    Service,
    Shelf,
    feed,
    found_in,
    made_cache,
    made_service,
    place,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

often = settings(max_examples=200, deadline=None)


@pytest.fixture
def service() -> Service:
    return made_service(feed(), feed("tags/сирия", "atom"), feed("sections/world/asia", "json"))


# Paths


@pytest.mark.parametrize(
    ("path", "key", "fmt"),
    [
        ("/feeds/all.rss", "all", "rss"),
        ("/feeds/sections/world/middle-east.atom", "sections/world/middle-east", "atom"),
        ("/feeds/custom/v1.2.json", "custom/v1.2", "json"),
        ("/feeds/tags/сирия.rss", "tags/сирия", "rss"),
        ("/feeds/tags/cafe\u0301.rss", "tags/caf\u00e9", "rss"),
    ],
)
def test_feed_path_names_key_and_format(path: str, key: str, fmt: str) -> None:
    found = place_of(path.encode().decode("latin-1"))
    assert found == (f"/feeds/{key}.{fmt}".encode().decode("latin-1"), key, fmt, "")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/feeds",
        "/feeds/",
        "/feeds/.rss",
        "/feeds/all",
        "/feeds/all.xml",
        "/feeds/all.RSS",
        "/feeds/all.rss/",
        "/feeds.opml",
        "/feed/all.rss",
        "/x/feeds/all.rss",
        "/feeds/a\x00b.rss",
        "/feeds/a\x7f.rss",
        "/feeds/\xff.rss",
        "/feeds/сирия.rss",
    ],
)
def test_other_path_is_no_feeds(path: str) -> None:
    assert place_of(path) is None


# Feeds as Flask and Werkzeug would answer them

ENCODINGS: dict[str | None, Coding] = {
    None: "identity",
    "": "identity",
    "gzip": "gzip",
    "gzip, deflate, br": "br",
    "br;q=0.5, gzip": "gzip",
    "*": "zstd",
    "gzip;q=0": "identity",
}


def plain_view() -> Flask:
    """The same feed as a plain Flask view, whose conditions are Werkzeug's."""
    flask = Flask("plain")
    variants = {coding: ready_variant(feed(), coding, SITE, 60, 86_400) for coding in caching.CODINGS}

    def view() -> Response:
        variant = variants[ENCODINGS[request.headers.get("Accept-Encoding")]]
        answer = Response(variant.body, content_type="application/rss+xml; charset=utf-8")
        if variant.coding != "identity":
            answer.content_encoding = variant.coding
        answer.set_etag(variant.etag.strip('"'))
        answer.last_modified = CHANGED
        cc = "public, max-age=300, stale-while-revalidate=60, stale-if-error=86400"
        answer.headers["Cache-Control"] = cc
        answer.headers["Vary"] = "Accept-Encoding"
        answer.headers["Link"] = '<https://news.example.org/feeds/all.rss>; rel="self"'
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers.extend(CORS)
        return answer.make_conditional(request)  # type: ignore[return-value]

    flask.add_url_rule("/feeds/all.rss", view_func=view)
    return flask


SHORT, PLAIN = made_service(feed()), Client(plain_view())
TAGS = ['"d1"', '"d1-gzip"', '"d1-br"', '"d1-zstd"', 'W/"d1"', 'W/"d1-gzip"', '"other"', '"open']
tag_lists = st.lists(st.sampled_from(TAGS), min_size=1, max_size=3).map(", ".join)
dates = st.sampled_from([-60, 0, 60]).map(lambda late: caching.http_date(CHANGED.timestamp() + late))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, str]:
    """Header fields on which Werkzeug and RFC 9110 agree; where they part is in the tests of caching."""
    # §13.2.2: Werkzeug lets If-Match hide If-None-Match, so that they come one at a time.
    match draw(st.sampled_from(["none", "match", "none match", "since"])):
        case "match":
            return {"If-Match": draw(st.lists(st.sampled_from(TAGS[:7]), min_size=1).map(", ".join))}
        case "none match":
            # §13.1.3: with only malformed tags Werkzeug goes on to the date.
            since = {"If-Modified-Since": draw(dates)}
            return {"If-None-Match": '"kept", ' + draw(tag_lists | st.just('"x"'))} | draw(
                st.sampled_from([{}, since])
            )
        case "since":
            return {"If-Modified-Since": draw(dates)}
    return {}


@often
@given(conditions(), st.sampled_from(list(ENCODINGS)), st.sampled_from(["GET", "HEAD"]))
@example({"If-None-Match": "*"}, "gzip", "GET")
def test_feeds_are_answered_as_by_a_plain_flask_view(
    headers: dict[str, str], accept_encoding: str | None, method: str
) -> None:
    if accept_encoding is not None:
        headers = headers | {"Accept-Encoding": accept_encoding}
    ours = SHORT.client.open("/feeds/all.rss", method=method, headers=headers)
    theirs = PLAIN.open("/feeds/all.rss", method=method, headers=headers)
    assert ours.status_code == theirs.status_code
    if ours.status_code == 412:
        # Werkzeug sends a 412 with the whole feed in it, which RFC 9110 §13.1.1 has no use for.
        return
    # A 304 has no content to sniff: the field is left out of it.
    left_out = {"Date"} if ours.status_code == 200 else {"Date", "X-Content-Type-Options"}
    expected = {name.lower(): value for name, value in theirs.headers if name not in left_out}
    assert {name.lower(): value for name, value in ours.headers} == expected
    assert ours.get_data() == theirs.get_data()


def test_head_has_the_headers_of_get_and_no_body(service: Service) -> None:
    got, head = service.get("/feeds/all.rss"), service.get("/feeds/all.rss", "HEAD")
    assert list(head.headers) == list(got.headers)
    assert head.headers["Content-Length"] == str(len(BODY))
    assert (got.get_data(), head.get_data()) == (BODY, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/feeds/all.rss", "/feeds/unheard-of.rss"])
def test_other_methods_get_405_with_allow(service: Service, method: str, path: str) -> None:
    for _ in range(2):
        answer = service.get(path, method)
        assert answer.status_code == 405
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
        service.get("/feeds/all.rss")
    assert ("unheard-of", "rss") not in service.shelf.asked


def test_406_only_if_nothing_is_acceptable_and_before_any_precondition(service: Service) -> None:
    answer = service.get("/feeds/all.rss", Accept_Encoding="identity;q=0", If_None_Match="*")
    assert answer.status_code == 406
    assert answer.mimetype == "text/plain"
    assert service.get("/feeds/all.rss", "HEAD", Accept_Encoding="*;q=0").get_data() == b""


def test_412_is_small_and_plain(service: Service) -> None:
    early = caching.http_date((CHANGED - timedelta(seconds=1)).timestamp())
    for headers in ({"If_Match": '"old"'}, {"If_Unmodified_Since": early}):
        answer = service.get("/feeds/all.rss", **headers)
        assert (answer.status_code, answer.mimetype) == (412, "text/plain")
        assert len(answer.get_data()) < 200


def test_last_modified_appears_once_its_instant_has_come() -> None:
    ahead = replace(feed(), changed_at=CHANGED + timedelta(hours=2))
    service = made_service(ahead)
    instants = ((0, False), (3599.9, False), (3600, True), (1, False), (9999, True))
    for later, is_shown in instants:
        service.calendar.at = CHANGED.timestamp() + 3600 + later
        for method in ("GET", "HEAD"):
            answer = service.get("/feeds/all.rss", method, Sec_Fetch_Dest="document" if later % 2 else "")
            date = caching.http_date(ahead.changed_at.timestamp()) if is_shown else None
            assert answer.headers.get("Last-Modified") == date, later
            assert answer.headers["ETag"] == '"d1"'


def test_query_string_changes_nothing(service: Service) -> None:
    assert service.get("/feeds/all.rss?from=reader").get_data() == BODY
    assert service.get("/feeds/all.rss?x=2").status_code == 200
    assert service.shelf.asked == [("all", "rss")]


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/tags/%D1%81%D0%B8%D1%80%D0%B8%D1%8F.atom",
        "/feeds/tags/сирия.atom",
        "/feeds/sections/world/asia.json",
    ],
)
def test_known_path_is_loaded_once(service: Service, path: str) -> None:
    assert [service.get(path).status_code for _ in range(3)] == [200, 200, 200]
    assert len(service.shelf.asked) == 1


def test_any_unicode_form_of_a_path_is_the_same_feed() -> None:
    service = made_service(feed("tags/caf\u00e9"))
    composed, apart = service.get("/feeds/tags/caf%C3%A9.rss"), service.get("/feeds/tags/cafe%CC%81.rss")
    assert composed.headers["ETag"] == apart.headers["ETag"]
    assert len(service.cache) == len(service.shelf.asked) == 1


def test_other_paths_are_flasks(service: Service) -> None:
    assert service.get("/page").get_data() == b"a page"
    assert service.get("/feedsish/all.rss").status_code == 404
    assert not service.shelf.asked


def test_unknown_feed_is_404_from_flask_and_not_remembered(service: Service) -> None:
    for path in ("/feeds/tags/new.rss", "/feeds/nothing-of-the-kind"):
        answer = service.get(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-cache")
    service.shelf.put(feed("tags/new"))
    assert service.get("/feeds/tags/new.rss").status_code == 200


def test_server_may_change_the_header_list_it_is_given(service: Service) -> None:
    before = list(service.get("/feeds/all.rss").headers)

    def spoiling(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
            given = list(headers)
            headers.clear()
            return start_response(status, given)

        return service.flask(environ, start)

    for headers in ({}, {"If-None-Match": '"d1"'}, {"If-Match": '"old"'}):
        Client(spoiling).get("/feeds/all.rss", headers=headers)
    assert list(service.get("/feeds/all.rss").headers) == before
    assert "ETag" in service.get("/feeds/all.rss", If_None_Match="*").headers
    assert "Content-Type" in service.get("/feeds/all.rss", If_Match='"old"').headers


def test_accept_encodings_remembered_are_bounded(service: Service) -> None:
    for number in range(3_000):
        assert service.get("/feeds/all.rss", "HEAD", Accept_Encoding=f"gzip, x{number}").status_code == 200
    service.get("/feeds/all.rss", Accept_Encoding="gzip, " + "y" * 5_000)
    remembered = service.responder._codings
    assert len(remembered) <= 1_024
    assert max(len(field or "") for field in remembered) < 300


def test_requests_are_counted_by_format_and_status(service: Service) -> None:
    for headers in ({}, {"If-None-Match": "*"}, {"If-None-Match": "*"}, {"If-Match": '"x"'}):
        service.client.get("/feeds/all.rss", headers=headers)
    service.get("/feeds/sections/world/asia.json", "POST")
    service.get("/feeds/unheard-of.atom")
    counted = {name: count for name, count in service.counters.snapshot().items() if count}
    assert counted == {("rss", 200): 1, ("rss", 304): 2, ("rss", 412): 1, ("json", 405): 1, ("atom", 404): 1}


def test_doubled_slash_names_no_feed_and_leads_to_none(service: Service) -> None:
    assert service.get("/feeds//all.rss").status_code == 404


# Forgetting, and a store that fails


def test_forgotten_feed_is_loaded_anew_and_no_other(service: Service) -> None:
    service.get("/feeds/all.rss")
    service.get("/feeds/sections/world/asia.json")
    service.shelf.put(feed(body=b"new", digest="d2"), feed("sections/world/asia", "json", b"new", "d2"))
    service.cache.invalidate([("", "all", "rss"), ("", "tags/unheard-of", "atom")])
    assert service.get("/feeds/all.rss").get_data() == b"new"
    assert service.get("/feeds/sections/world/asia.json").get_data() == BODY


def test_everything_forgotten_is_loaded_anew(service: Service) -> None:
    paths = ["/feeds/all.rss", "/feeds/sections/world/asia.json"]
    for path in paths:
        service.get(path)
    service.shelf.put(feed(digest="d2"), feed("sections/world/asia", "json", digest="d2"))
    service.cache.invalidate_all()
    assert [service.get(path).headers["ETag"] for path in paths] == ['"d2"', '"d2"']


def test_feed_that_is_gone_after_forgetting_is_404(service: Service) -> None:
    service.get("/feeds/all.rss")
    del service.shelf.feeds["all", "rss"]
    service.cache.invalidate([("", "all", "rss")])
    assert service.get("/feeds/all.rss").status_code == 404
    assert (len(service.cache), service.cache.held_bytes) == (0, 0)


@pytest.mark.parametrize("everything", [False, True])
def test_what_was_loaded_before_forgetting_does_not_stay(everything: bool) -> None:
    shelf = Shelf()
    shelf.put(feed(digest="old"))
    cache = made_cache(shelf)

    def publish_meanwhile() -> None:
        shelf.during_load = None
        shelf.put(feed(digest="new"))
        if everything:
            cache.invalidate_all()
        else:
            cache.invalidate([("", "all", "rss")])

    shelf.during_load = publish_meanwhile
    assert found_in(cache, place()).representation.digest == "old"
    assert found_in(cache, place()).representation.digest == "new"
    assert found_in(cache, place()).representation.digest == "new"
    assert len(shelf.asked) == 2


def test_forgetting_another_feed_does_not_waste_a_load() -> None:
    shelf = Shelf()
    shelf.put(feed())
    cache = made_cache(shelf)
    shelf.during_load = lambda: cache.invalidate([("", "all", "atom"), ("", "tags/x", "rss")])
    found_in(cache, place())
    found_in(cache, place())
    assert len(shelf.asked) == 1


def test_forgetting_amid_a_reload_of_the_same_version_is_not_lost() -> None:
    shelf = Shelf()
    shelf.put(feed())
    cache = made_cache(shelf)
    found_in(cache, place())
    cache.invalidate_all()
    shelf.during_load = cache.invalidate_all
    assert not found_in(cache, place()).fresh


def test_equal_version_after_forgetting_keeps_its_encoded_variants() -> None:
    shelf = Shelf()
    shelf.put(feed())
    cache = made_cache(shelf)
    before = cache.variant(found_in(cache, place()), "br")
    held = cache.held_bytes
    cache.invalidate_all()
    shelf.put(feed())
    assert cache.variant(found_in(cache, place()), "br") is before
    assert cache.held_bytes == held


def test_forgotten_feed_is_served_while_the_store_fails(service: Service) -> None:
    service.get("/feeds/all.rss")
    service.shelf.broken = True
    service.cache.invalidate([("", "all", "rss")])
    asked = len(service.shelf.asked)
    for _ in range(5):
        assert service.get("/feeds/all.rss").get_data() == BODY
    assert len(service.shelf.asked) == asked + 1


def test_failed_store_is_asked_again_after_a_second_or_once_it_reports(service: Service) -> None:
    service.get("/feeds/all.rss")
    service.shelf.broken = True
    service.cache.invalidate_all()
    service.get("/feeds/all.rss")
    service.shelf.broken = False
    service.shelf.put(feed(digest="d2"))
    assert service.get("/feeds/all.rss").headers["ETag"] == '"d1"'
    service.clock.at += 1.1
    assert service.get("/feeds/all.rss").headers["ETag"] == '"d2"'

    service.shelf.broken = True
    service.cache.invalidate_all()
    service.get("/feeds/all.rss")
    service.shelf.broken = False
    service.shelf.put(feed(digest="d3"))
    service.cache.invalidate([("", "all", "rss")])
    assert service.get("/feeds/all.rss").headers["ETag"] == '"d3"'


def test_feed_in_memory_is_not_asked_of_a_store_that_fails(service: Service) -> None:
    service.get("/feeds/all.rss")
    service.shelf.broken = True
    assert service.get("/feeds/all.rss", Accept_Encoding="gzip").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_503_with_retry_after_if_nothing_is_in_memory(service: Service, method: str) -> None:
    service.shelf.broken = True
    answer = service.get("/feeds/all.rss", method)
    assert (answer.status_code, answer.mimetype, answer.headers["Retry-After"]) == (503, "text/plain", "5")
    service.shelf.broken = False
    assert service.get("/feeds/all.rss", method).status_code == 200


def test_failure_to_load_names_its_cause() -> None:
    cache = made_cache(Shelf(broken=True))
    with pytest.raises(FeedUnavailableError) as caught:
        cache.find(place())
    assert isinstance(caught.value.__cause__, OSError)


# Threads


def at_once(count: int, act: Callable[[], object]) -> list[object]:
    start, outcomes = threading.Barrier(count), []

    def run() -> None:
        start.wait(5)
        outcomes.append(act())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    return outcomes


def test_many_requests_at_once_load_once_and_encode_once() -> None:
    shelf = Shelf()
    shelf.put(feed(body=BODY * 50))
    shelf.during_load = lambda: time.sleep(0.05)  # until the others stand at the gate
    cache = made_cache(shelf)
    variants = at_once(8, lambda: cache.variant(found_in(cache, place()), "br"))
    assert len(variants) == 8
    assert len({id(variant) for variant in variants}) == 1
    assert len(shelf.asked) == 1


def test_invalidated_feed_is_not_served_while_its_reload_may_succeed() -> None:
    shelf, loading, finish = Shelf(), threading.Event(), threading.Event()
    shelf.put(feed(digest="d1"))
    cache = made_cache(shelf)
    found_in(cache, place())
    cache.invalidate_all()
    shelf.put(feed(digest="d2"))

    def dawdle() -> None:
        loading.set()
        finish.wait(5)

    shelf.during_load = dawdle
    slow = threading.Thread(target=cache.find, args=(place(),))
    slow.start()
    assert loading.wait(5)
    shelf.during_load = None
    threading.Timer(0.2, finish.set).start()
    assert found_in(cache, place()).representation.digest == "d2"
    slow.join(5)


def test_reload_that_hangs_holds_others_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_PATIENCE_SECONDS", 0.2)
    shelf, loading, finish = Shelf(), threading.Event(), threading.Event()
    shelf.put(feed(digest="d1"))
    cache = made_cache(shelf)
    found_in(cache, place())
    cache.invalidate_all()
    shelf.put(feed(digest="d2"))

    def dawdle() -> None:
        loading.set()
        finish.wait(5)

    shelf.during_load = dawdle
    slow = threading.Thread(target=cache.find, args=(place(),))
    slow.start()
    assert loading.wait(5)
    began = time.monotonic()
    for _ in range(20):
        assert found_in(cache, place()).representation.digest == "d1"
    assert time.monotonic() - began < 1
    finish.set()
    slow.join(5)
    assert found_in(cache, place()).representation.digest == "d2"


def test_cache_stays_whole_under_readers_and_a_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cache_module, "_PATIENCE_SECONDS", 20
    )  # a busy machine must not look like a slow store
    shelf = Shelf()
    keys = [f"tags/t{number}" for number in range(12)]
    shelf.put(*(feed(key) for key in keys))
    cache = made_cache(shelf, max_bytes=40_000)
    published = dict.fromkeys(keys, 1)
    behind: list[str] = []
    done = threading.Event()

    def read() -> None:
        for number in itertools.count():
            if done.is_set():
                return
            key = keys[number * 7 % 12]
            at_least = published[key]
            entry = found_in(cache, place(key))
            cache.variant(entry, "gzip" if number % 2 else "identity")
            if int(entry.representation.digest[1:]) < at_least:
                behind.append(key)

    def follow() -> None:
        for version in range(2, 300):
            key = keys[version % 12]
            shelf.put(feed(key, digest=f"d{version}"))
            cache.invalidate([("", key, "rss")])
            published[key] = version
            for _ in range(3):
                cache.find(place(key))
        done.set()

    threads = [threading.Thread(target=run) for run in (read, read, read, follow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not behind
    assert cache.held_bytes <= 40_000
    assert cache.held_bytes == sum(entry.size for entry in entries_of(cache, keys))


def entries_of(cache: FeedCache, keys: list[str]) -> list[Entry]:
    found = (cache.peek(place(key).path) for key in keys)
    return [entry for entry in found if entry]


# Bytes


def true_size(entry: Entry) -> int:
    bodies: list[Variant] = [one for one in entry.variants.values() if one.coding != "identity"]
    return len(entry.representation.body) + sum(len(one.body) for one in bodies)


@often
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(caching.CODINGS), st.integers(0, 9)),
        min_size=1,
        max_size=40,
    )
)
def test_cache_holds_no_more_bytes_than_it_may(requests: list[tuple[int, Coding, int]]) -> None:
    shelf = Shelf()
    keys = [f"tags/t{number}" for number in range(10)]
    shelf.put(*(feed(key, body=b"x" * 3_000 * number) for number, key in enumerate(keys)))
    cache = made_cache(shelf, max_bytes=60_000)
    for wanted, coding, forgotten in requests:
        entry = found_in(cache, place(keys[wanted]))
        cache.variant(entry, coding)
        cache.invalidate([("", keys[forgotten], "rss")])
        held = entries_of(cache, keys)
        assert cache.held_bytes == sum(one.size for one in held) <= 60_000
        assert all(one.size >= true_size(one) for one in held)


def test_feed_in_use_outlives_one_that_is_not() -> None:
    keys = ["tags/a", "tags/b", "tags/c", "tags/d", "tags/e"]
    service = made_service(
        *(feed(key, body=b"x" * 10_000) for key in keys), max_bytes=75_000
    )  # room for three
    for key in ("tags/a", "tags/b", "tags/c", "tags/d", "tags/b", "tags/e"):
        assert service.get(f"/feeds/{key}.rss").status_code == 200
    assert [service.cache.peek(place(key).path) is not None for key in keys] == [
        False,
        True,
        False,
        True,
        True,
    ]
    assert service.shelf.asked.count(("tags/b", "rss")) == 1


def test_feed_larger_than_the_cache_is_served_and_not_kept() -> None:
    shelf = Shelf()
    shelf.put(feed(body=b"x" * 10_000))
    cache = made_cache(shelf, max_bytes=5_000)
    assert cache.variant(found_in(cache, place()), "identity").body == b"x" * 10_000
    assert (len(cache), cache.held_bytes) == (0, 0)
