"""What a feed's URL is answered with, whoever asks; and what of it may be remembered."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from werkzeug.test import Client, create_environ, run_wsgi_app

from feedsvc.domain.model import Representation
from feedsvc.util.bounded_threads import BusyError, Lane
from feedsvc.web.feeds import cache as cache_module
from feedsvc.web.feeds.cache import FeedUnavailableError
from feedsvc.web.feeds.responder import FeedRequest
from feedsvc.web.feeds.response import Response
from tests.shelves import BODY, CHANGED, Service, Shelf, feed, found_in, made_cache, made_service, place

PATH = "/feeds/all.rss"

# A store that does not answer


@contextmanager
def silent(service: Service, *paths: str) -> Iterator[None]:
    """A store that keeps whoever asks it waiting; somebody waits for each path already."""
    arrived, answer = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        arrived.release()
        answer.wait(20)

    service.shelf.during_load = hang
    waiting = [threading.Thread(target=Client(service.flask).get, args=(path,)) for path in paths]
    for thread in waiting:
        thread.start()
    for _ in waiting:
        assert arrived.acquire(timeout=5)
    try:
        yield
    finally:
        service.shelf.during_load = None
        answer.set()
        for thread in waiting:
            thread.join(5)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(cache_module, "_PATIENCE_SECONDS", 0.1)
    made = made_service(feed(), *(feed(f"tags/t{number}") for number in range(4)))
    assert made.get(PATH).status_code == 200
    return made


def from_memory(service: Service, **fields: str) -> Response | None:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    found = service.feeds.from_memory(FeedRequest("GET", PATH, named))
    return found[0] if found else None


def test_feed_in_memory_waits_for_no_store(service: Service) -> None:
    with silent(service, "/feeds/tags/t0.rss", "/feeds/tags/t1.rss"):
        assert service.get(PATH).get_data() == BODY
        response = from_memory(service)
        assert response is not None
        assert response.body == BODY


def test_invalidated_feed_is_not_answered_from_memory(service: Service) -> None:
    service.cache.invalidate_all()
    assert from_memory(service) is None
    service.shelf.put(feed(digest="d2"))
    assert service.get(PATH).headers["ETag"] == '"d2"'


def test_invalidated_feed_is_served_from_memory_once_its_reload_has_failed(service: Service) -> None:
    service.cache.invalidate_all()
    service.shelf.broken = True
    assert service.get(PATH).get_data() == BODY
    assert from_memory(service) is not None
    service.clock.at += 1.1
    assert from_memory(service) is None


def test_waiting_for_a_load_that_hangs_has_an_end(service: Service) -> None:
    service.cache.invalidate_all()
    with silent(service, PATH, "/feeds/tags/t0.rss"):
        assert service.get(PATH).get_data() == BODY
        assert service.get("/feeds/tags/t0.rss").status_code == 503
        began = time.monotonic()
        assert [service.get(PATH).status_code for _ in range(20)] == [200] * 20
        assert time.monotonic() - began < 1
    assert service.get("/feeds/tags/t0.rss").status_code == 200


def test_last_resort_is_the_invalidated_feed_else_503(service: Service) -> None:
    service.cache.invalidate_all()
    assert service.feeds.last_resort(FeedRequest("GET", PATH)).body == BODY
    unavailable = service.feeds.last_resort(FeedRequest("GET", "/feeds/tags/t3.rss"))
    assert (unavailable.status, dict(unavailable.headers)["Retry-After"]) == (503, "5")


def test_coding_that_is_not_ready_is_left_to_a_thread(service: Service) -> None:
    assert from_memory(service, accept_encoding="br") is None
    assert service.get(PATH, Accept_Encoding="br").status_code == 200
    assert from_memory(service, accept_encoding="br") is not None


def test_what_is_refused_below_the_api_is_told_as_problem_details(service: Service) -> None:
    refused = service.client.get("/api/articles/a", headers={"Host": "a.example, b.example"})
    assert (refused.status_code, refused.content_type) == (400, "application/problem+json")
    assert refused.json is not None
    assert refused.json["status"] == 400
    assert service.client.get("/x", headers={"Host": "a.example, b.example"}).mimetype == "text/plain"


def test_preflight_of_a_feed_is_answered(service: Service) -> None:
    answer = service.get(PATH, "OPTIONS", Origin="https://x.example", Access_Control_Request_Method="GET")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]


# What is remembered


def remember(service: Service, raw: bytes, response: Response) -> None:
    entry = found_in(service.cache, place())
    service.feeds.remember((raw,), entry, response, b"", False)


def test_remembered_request_is_forgotten_when_its_feed_is_invalidated(service: Service) -> None:
    for end in ("invalidate", "invalidate_all", "publish"):
        response = from_memory(service)
        assert response is not None
        remember(service, b"raw", response)
        assert b"raw" in service.feeds.known
        if end == "invalidate":
            service.cache.invalidate([("", "all", "rss")])
        elif end == "invalidate_all":
            service.cache.invalidate_all()
        else:
            service.shelf.put(feed(body=b"other", digest="d2"))
            service.cache.invalidate([("", "all", "rss")])
        assert not service.feeds.known
        service.get(PATH)


def test_response_that_depends_on_time_or_address_is_not_remembered() -> None:
    for published, fields in (
        (replace(feed(), valid_until=CHANGED + timedelta(hours=2)), {}),
        (feed(), {"sec_fetch_dest": "document"}),
        (feed(), {"if_match": '"other"'}),
    ):
        service = made_service(published)
        service.get(PATH)
        response = from_memory(service, **fields)
        assert response is not None
        remember(service, b"raw", response)
        assert not service.feeds.known


def test_remembered_requests_are_bounded_within_the_cache(service: Service) -> None:
    response = from_memory(service)
    assert response is not None
    before = service.cache.held_bytes
    for number in range(5_000):
        raw = b"GET %d" % number + b" " * 1_000
        remember(service, raw, response)
        assert service.cache.held_bytes - before >= len(service.feeds.known) * len(raw)
    assert 0 < len(service.feeds.known) <= 64
    service.cache.invalidate_all()
    assert service.cache.held_bytes == before


# Threads


def test_lane_has_work_wait_for_a_thread_and_no_longer_than_it_may() -> None:
    async def run() -> tuple[list[object], float]:
        lane, go_on = Lane("test", 1, patience=0.2), threading.Event()
        first = asyncio.create_task(lane.run(lambda: go_on.wait(5)))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(lane.run(lambda: "late")) for _ in range(3)]
        outcomes = list(await asyncio.gather(*waiting, return_exceptions=True))
        began = time.monotonic()
        for _ in range(50):
            with pytest.raises(BusyError):
                await lane.run(lambda: "never")
        seconds = time.monotonic() - began
        go_on.set()
        await first
        outcomes.append(await lane.run(lambda: "again"))
        return outcomes, seconds

    outcomes, seconds = asyncio.run(run())
    assert [type(one) for one in outcomes[:3]] == [BusyError] * 3
    assert outcomes[3] == "again"
    assert seconds < 0.1, "once work hangs nobody waits for it"


def test_lane_lets_only_so_many_wait() -> None:
    async def run() -> int:
        lane, go_on = Lane("test", 1, patience=5, longest=2), threading.Event()
        tasks = [asyncio.create_task(lane.run(lambda: go_on.wait(5)))]
        await asyncio.sleep(0.05)
        tasks += [asyncio.create_task(lane.run(lambda: True)) for _ in range(5)]
        await asyncio.sleep(0.05)
        go_on.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(one, BusyError) for one in outcomes)

    assert asyncio.run(run()) == 3


def test_lane_goes_on_after_work_that_raises() -> None:
    async def run() -> object:
        lane = Lane("test", 1, patience=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane.run(lambda: 1 / 0)
        return await lane.run(lambda: "well")

    assert asyncio.run(run()) == "well"


# Stories that expire


def expiring(seconds: float, digest: str = "d1") -> Representation:
    """A feed in which a story expires so many seconds after now."""
    return replace(feed(digest=digest), valid_until=CHANGED + timedelta(hours=1, seconds=seconds))


def test_feed_is_kept_no_longer_than_its_stories_last() -> None:
    service = made_service(expiring(1_000))
    tag = service.get("/feeds/all.rss").headers["ETag"]
    for later, expected in (
        (0, "max-age=300, stale-while-revalidate=60, stale-if-error=700"),
        (700, "max-age=300, must-revalidate"),
        (980, "max-age=20, must-revalidate"),
        (1_004, "max-age=0, must-revalidate"),
    ):
        service.calendar.at = CHANGED.timestamp() + 3600 + later
        for condition in ({}, {"If_None_Match": tag}):
            answer = service.get("/feeds/all.rss", **condition)
            assert answer.headers["Cache-Control"] == f"public, {expected}"
        page = service.get("/feeds/all.rss", Sec_Fetch_Dest="document")
        assert page.headers["Cache-Control"] == f"private, {expected}"
    assert len(service.shelf.asked) == 1


@pytest.mark.parametrize("condition", [{}, {"If_None_Match": '"d1"'}, {"Accept_Encoding": "gzip"}])
def test_expired_story_is_not_served_though_nobody_publishes_the_feed_without_it(
    condition: dict[str, str],
) -> None:
    service = made_service(expiring(10))
    assert service.get("/feeds/all.rss").status_code == 200
    service.calendar.at += 15.001
    for _ in range(3):
        answer = service.get("/feeds/all.rss", **condition)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert BODY not in answer.get_data()
    assert len(service.shelf.asked) == 2
    service.clock.at += 1.1
    service.get("/feeds/all.rss")
    assert len(service.shelf.asked) == 3


def test_expired_story_is_not_served_when_the_store_fails() -> None:
    service = made_service(expiring(10))
    service.get("/feeds/all.rss")
    service.calendar.at += 15.001
    service.shelf.broken = True
    for forgotten in (False, True):
        if forgotten:
            service.cache.invalidate_all()
        assert [service.get("/feeds/all.rss").status_code for _ in range(2)] == [503, 503]
    with pytest.raises(FeedUnavailableError):
        service.cache.find(place())


def test_expired_story_is_not_served_while_the_store_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_PATIENCE_SECONDS", 0.05)
    service = made_service(expiring(10), feed("tags/t0"), feed("tags/t1"))
    service.get("/feeds/all.rss")
    service.calendar.at += 15.001
    with silent(service, "/feeds/all.rss"):
        assert service.get("/feeds/all.rss").status_code == 503
    with silent(service, "/feeds/tags/t0.rss", "/feeds/tags/t1.rss"):
        assert service.get("/feeds/all.rss").status_code == 503


def test_feed_published_without_the_expired_story_is_found_without_being_forgotten() -> None:
    service = made_service(expiring(10))
    service.get("/feeds/all.rss")
    service.calendar.at += 15.001
    service.shelf.put(feed(digest="d2"))
    assert service.get("/feeds/all.rss").headers["ETag"] == '"d2"'


def test_feed_first_asked_for_when_it_has_expired_is_not_served_but_once_it_is_published_anew() -> None:
    service = made_service(expiring(-6))
    assert [service.get("/feeds/all.rss").status_code for _ in range(2)] == [503, 503]
    assert len(service.shelf.asked) == 1
    service.shelf.put(feed(digest="d2"))
    service.cache.invalidate([("", "all", "rss")])
    assert service.get("/feeds/all.rss").status_code == 200


def test_expired_feed_that_is_gone_is_404() -> None:
    service = made_service(expiring(10))
    service.get("/feeds/all.rss")
    service.calendar.at += 15.001
    service.shelf.feeds.clear()
    assert service.get("/feeds/all.rss").status_code == 404


def test_refresher_has_a_moment_after_an_expiry() -> None:
    shelf = Shelf()
    shelf.put(expiring(-5))
    assert made_cache(shelf).find(place()) is not None


# The commonest poll has a way of its own


TAG = '"d1-gzip"'


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 304),
        ({"If_None_Match": f'W/{TAG}, "d0"'}, 304),
        ({"If_None_Match": '"d0-gzip"'}, 200),
        ({"If_Match": TAG}, 304),
        ({"If_Match": '"d0-gzip"'}, 412),
        ({"If_Unmodified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"If_Unmodified_Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 412),
        ({"If_Modified_Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 304),
        ({"Accept_Encoding": "br"}, 200),
        ({"Accept_Encoding": "identity;q=0"}, 406),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_whatever_else_a_poll_with_the_right_tag_says_is_heard(
    fields: dict[str, str], status: int, method: str
) -> None:
    service = made_service(feed())
    usual = {"Accept_Encoding": "gzip", "If_None_Match": TAG}
    answer = service.get("/feeds/all.rss", method, **usual | fields)
    assert answer.status_code == status
    assert service.counters.by_format["rss"][status] == 1
    if status == 304:
        shared = {"Access-Control-Allow-Origin", "Access-Control-Expose-Headers"}
        assert set(answer.headers.keys()) - shared == {"ETag", "Cache-Control", "Vary", "Link"}
        assert answer.headers["ETag"] == TAG


def test_a_browser_with_the_right_tag_is_told_that_its_copy_is_private() -> None:
    service = made_service(feed())
    answer = service.get("/feeds/all.rss", If_None_Match='"d1"', Sec_Fetch_Dest="document")
    assert answer.status_code == 304
    assert answer.headers["Cache-Control"].startswith("private")


# Host


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"HTTP_HOST": "news.example.org"}, 200),
        ({"HTTP_HOST": ""}, 400),
        ({}, 400),
        ({"HTTP_HOST": "a.example,b.example"}, 400),
        ({"HTTP_HOST": "a.example,a.example", "SERVER_PROTOCOL": "HTTP/1.0"}, 400),
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, 200),
        ({"HTTP_HOST": "", "SERVER_PROTOCOL": "HTTP/1"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/feeds/all.rss", "/page", "/healthz"])
def test_request_of_http_1_1_names_its_host_once(path: str, fields: dict[str, str], status: int) -> None:
    service = made_service(feed())
    for _ in range(2):
        environ = create_environ(path)
        del environ["HTTP_HOST"]
        body, got, headers = run_wsgi_app(service.flask, environ | fields)
        assert int(got[:3]) == status
        assert b"".join(body)
        assert ("Retry-After" in headers) is False
    assert service.counters.by_format["rss"][status] == (
        2 if status == 200 and path.startswith("/feeds/") else 0
    )
