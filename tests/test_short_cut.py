import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from werkzeug.test import Client, create_environ, run_wsgi_app

from feedsvc.model import Representation
from feedsvc.web import feed_cache, short_cut
from feedsvc.web.feed_cache import FeedUnavailableError
from feedsvc.web.short_cut import ShortCut, Slots
from tests.shelves import BODY, CHANGED, Service, Shelf, feed, found_in, made_cache, made_service, place

# A store that does not answer


@contextmanager
def silent(service: Service, *paths: str) -> Iterator[None]:
    """A store that keeps whoever asks it waiting; somebody waits for each path already."""
    arrived, answer = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        arrived.release()
        answer.wait(20)

    service.shelf.during_load = hang
    waiting = [threading.Thread(target=Client(service.short_cut).get, args=(path,)) for path in paths]
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
def service() -> Service:
    made = made_service(feed(), *(feed(f"tags/t{number}") for number in range(4)), slow=2)
    assert made.get("/feeds/all.rss").status_code == 200
    return made


def seconds_of(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_feeds_in_memory_and_healthz_are_answered_while_the_store_is_silent(service: Service) -> None:
    with silent(service, "/feeds/tags/t0.rss", "/feeds/tags/t1.rss"):
        for _ in range(3):
            assert service.get("/feeds/all.rss").get_data() == BODY
            assert service.get("/feeds/all.rss", Accept_Encoding="gzip").status_code == 200
            assert service.get("/healthz").get_data() == b"ok"
    assert [service.get(f"/feeds/tags/t{number}.rss").status_code for number in range(4)] == [200] * 4


@pytest.mark.parametrize("path", ["/feeds/tags/t2.rss", "/page", "/readyz"])
def test_who_finds_no_slot_gets_503_and_the_next_ones_get_it_at_once(service: Service, path: str) -> None:
    with silent(service, "/feeds/tags/t0.rss", "/feeds/tags/t1.rss"):
        answer = service.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert seconds_of(lambda: [service.get(path) for _ in range(20)]) < 1  # 5 if each waited
        assert service.get(path, "HEAD").get_data() == b""
    assert service.get(path).status_code != 503
    assert service.counters.by_format["rss"][503] == (22 if path.startswith("/feeds/") else 0)


def test_forgotten_feed_is_served_while_nobody_may_ask_the_store(service: Service) -> None:
    service.cache.forget_all()
    with silent(service, "/feeds/tags/t0.rss", "/feeds/tags/t1.rss"):
        assert service.get("/feeds/all.rss").get_data() == BODY
        assert seconds_of(lambda: [service.get("/feeds/all.rss") for _ in range(20)]) < 1
    service.shelf.put(feed(digest="d2"))
    assert service.get("/feeds/all.rss").headers["ETag"] == '"d2"'


def test_feed_that_somebody_else_reloads_in_vain_holds_up_one_request_a_second(service: Service) -> None:
    service.cache.forget_all()
    with silent(service, "/feeds/all.rss"):
        assert seconds_of(lambda: [service.get("/feeds/all.rss") for _ in range(20)]) < 1


def test_waiting_for_another_ones_load_has_an_end(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    monkeypatch.setattr(feed_cache, "_LONGEST_WAIT_SECONDS", 0.05)
    with silent(service, "/feeds/tags/t0.rss"), pytest.raises(FeedUnavailableError):
        service.cache.find(place("tags/t0"))
    assert found_in(service.cache, place("tags/t0")).fresh


def test_what_is_refused_below_the_api_is_told_as_problem_details(service: Service) -> None:
    refused = service.client.get("/api/articles/a", headers={"Host": "a.example, b.example"})
    assert (refused.status_code, refused.content_type) == (400, "application/problem+json")
    assert refused.json is not None
    assert refused.json["status"] == 400
    assert service.client.get("/x", headers={"Host": "a.example, b.example"}).mimetype == "text/plain"


def test_slot_is_given_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_cut, "_SLOT_SECONDS", 0.01)
    service = made_service(feed(), slow=1)

    def failing(*_: object) -> list[bytes]:
        raise OSError("the application failed")

    service.shelf.broken = True
    outside = ShortCut(failing, service.cache, service.counters, slots=Slots(1))
    for _ in range(3):
        assert service.get("/feeds/all.rss").status_code == 503
        with pytest.raises(OSError, match="the application failed"):
            Client(outside).get("/page")
    service.shelf.broken = False
    assert service.get("/feeds/all.rss").status_code == 200
    assert service.get("/page").status_code == 200


def test_no_more_wait_at_a_time_than_there_are_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_cut, "_SLOT_SECONDS", 0.01)
    slots = Slots(2)
    assert [slots.take() for _ in range(4)] == [True, True, False, False]
    slots.give_back()
    assert [slots.take() for _ in range(2)] == [True, False]


def test_who_waits_gets_the_slot_that_comes_free_also_after_others_waited_in_vain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slots = Slots(1)
    for _ in range(2):
        monkeypatch.setattr(short_cut, "_SLOT_SECONDS", 10)
        assert slots.take()
        threading.Timer(0.05, slots.give_back).start()
        assert slots.take()
        monkeypatch.setattr(short_cut, "_SLOT_SECONDS", 0.01)
        assert not slots.take()
        slots.give_back()


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
            service.cache.forget_all()
        assert [service.get("/feeds/all.rss").status_code for _ in range(2)] == [503, 503]
    with pytest.raises(FeedUnavailableError):
        service.cache.find(place())


def test_expired_story_is_not_served_while_the_store_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_cache, "_LONGEST_WAIT_SECONDS", 0.05)
    service = made_service(expiring(10), feed("tags/t0"), feed("tags/t1"), slow=2)
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
    service.cache.forget([("", "all", "rss")])
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
        assert set(answer.headers.keys()) == {"ETag", "Cache-Control", "Vary", "Link"}
        assert answer.headers["ETag"] == TAG


def test_a_server_may_change_the_header_fields_of_one_answer() -> None:
    service = made_service(feed())
    environ = create_environ("/feeds/all.rss", headers={"If-None-Match": '"d1"'})
    given: list[list[tuple[str, str]]] = []

    def start_response(_status: str, headers: list[tuple[str, str]]) -> Callable[[bytes], object]:
        given.append([*headers])
        headers.append(("Date", "now"))
        return lambda _: None

    for _ in range(2):
        assert list(service.short_cut(environ, start_response)) == []  # type: ignore[arg-type]
    assert given[0] == given[1]


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
        body, got, headers = run_wsgi_app(service.short_cut, environ | fields)
        assert int(got[:3]) == status
        assert b"".join(body)
        assert ("Retry-After" in headers) is False
    assert service.counters.by_format["rss"][status] == (2 if path.startswith("/feeds/") else 0)
