"""What one client does with its connections keeps nothing from the others, and is over some time."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.conversing import LAST, Worker, read_all, request, worker
from tests.echo_server import BIG

pytestmark = pytest.mark.slow

QUICK = "[http]\nheader_timeout = 1\nbody_timeout = 1\nidle_timeout = 2\nconnections_per_address = 3_000\n"
POLL = request("/feeds/all.rss", 'If-None-Match: "d1"')


@pytest.fixture(scope="module")
def quick() -> Iterator[Worker]:
    with worker(QUICK) as made:
        yield made


@pytest.fixture(scope="module")
def served() -> Iterator[Worker]:
    with worker() as made:
        yield made


def wait_until(happened: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)


def many(served: Worker, number: int, said: bytes, stack: ExitStack) -> list[socket.socket]:
    made = [stack.enter_context(served.connect()) for _ in range(number)]
    for one in made:
        one.sendall(said)
    return made


def slowest_poll(served: Worker, number: int = 200) -> float:
    """Seconds that the slowest but one in a hundred takes of so many polls."""
    took = []
    with served.connect() as connection:
        for _ in range(number):
            began = time.monotonic()
            assert served.ask(connection, POLL).status == 304
            took.append(time.monotonic() - began)
    return sorted(took)[int(number * 0.99) - 1]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", None),
        (b"GET /feeds/all.rss HTTP/1.1\r\nHost: a.ex", 408),
        (b'POST /api/a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"ti', 408),
    ],
    ids=["idle", "half a head", "half a body"],
)
def test_connections_that_wait_for_nothing_end_and_keep_nobody_waiting(
    quick: Worker, said: bytes, status: int | None
) -> None:
    before, memory = quick.descriptors(), quick.memory()
    with ExitStack() as stack:
        waiting = many(quick, 300, said, stack)
        assert slowest_poll(quick) < 1
        for one in waiting:
            received = read_all(one)
            assert received.startswith(b"HTTP/1.1 %d " % status) if status else received == b""
    wait_until(lambda: quick.descriptors() <= before + 3)
    assert quick.memory() - memory < 30_000_000


def test_clients_that_do_not_read_hold_no_copy_and_are_closed(quick: Worker) -> None:
    before, memory = quick.descriptors(), quick.memory()
    with ExitStack() as stack:
        for one in many(quick, 100, b"", stack):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            with suppress(OSError):
                one.sendall(request("/feeds/world.rss") * 8)
        assert slowest_poll(quick) < 1
        # 300,000 bytes each time they ask: 240 MB, if it were copies.
        assert quick.memory() - memory < 60_000_000
        wait_until(lambda: quick.descriptors() <= before + 3, 20)


def test_readers_of_any_name_take_no_more_memory_than_there_is_for_them(served: Worker) -> None:
    memory = served.memory()
    with served.connect() as connection:
        for number in range(5_000):
            asked = request("/feeds/all.rss", f"User-Agent: reader/{number}", 'If-None-Match: "d1"')
            assert served.ask(connection, asked).status == 304
        assert int(served.ask(connection, request("/known")).body) <= 64
    assert served.memory() - memory < 10_000_000


def test_oldest_idle_connections_give_way_when_descriptors_run_out() -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with worker(preexec=few) as served, ExitStack() as stack:
        idle = [stack.enter_context(served.connect()) for _ in range(400)]
        for _ in range(5):
            began = time.monotonic()
            with served.connect() as connection:
                assert served.ask(connection, POLL).status == 304
            assert time.monotonic() - began < 1
        assert served.descriptors() < 256
        idle[0].settimeout(2)
        assert idle[0].recv(1) == b"", "the oldest was closed"
        assert served.ask(idle[-1], POLL).status == 304, "the newest was not"


def test_one_address_has_so_many_connections_and_no_more() -> None:
    with worker("[http]\nconnections_per_address = 3\n") as served, ExitStack() as stack:
        three = [stack.enter_context(served.connect()) for _ in range(3)]
        assert served.ask(three[2], POLL).status == 304
        with served.connect() as fourth:
            fourth.settimeout(3)
            with suppress(ConnectionError):
                fourth.sendall(POLL)
                assert fourth.recv(10) == b""
        three.pop().close()
        time.sleep(0.2)
        with served.connect() as again:
            assert served.ask(again, POLL).status == 304


def test_trusted_proxies_have_any_number_of_connections() -> None:
    config = '[http]\nconnections_per_address = 2\ntrusted_proxies = ["127.0.0.0/8"]\n'
    with worker(config) as served, ExitStack() as stack:
        for one in [stack.enter_context(served.connect()) for _ in range(9)]:
            assert served.ask(one, POLL).status == 304


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (request("/" + "a" * 8_200), 414),
        (request("/api/a", "X-Long: " + "x" * 33_000), 431),
        (request("/api/a", *(f"X-{number}: {'x' * 500}" for number in range(70))), 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, 431),
        (request("/api/a", "Transfer-Encoding: gzip, chunked", method="POST"), 501),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (request("/", "Host: b.example"), 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ],
)
def test_heads_beyond_the_limits_are_refused(served: Worker, said: bytes, status: int) -> None:
    for pieces in ([said], [said[:7], said[7:]]):
        received = served.converse(*pieces)
        assert received.startswith(b"HTTP/1.1 %d " % status)
        assert received.count(b"date: ") == 1
        assert b"connection: close" in received


def test_heads_within_the_limits_are_taken(served: Worker) -> None:
    for said in (request("/api/" + "a" * 8_100), request("/api/a", "X-Long: " + "x" * 31_000)):
        assert served.converse(said).startswith(b"HTTP/1.1 200 ")


def test_body_is_read_whatever_upgrade_its_client_would_like(served: Worker) -> None:
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    said = request("/api/a", *upgrade, method="POST", body=b"abc" * 9_000)
    for pieces in ([said, LAST], [said[:200], said[200:9_000], said[9_000:] + LAST]):
        received = served.converse(*pieces, pause=0.02)
        assert b"POST /api/a  27000 " in received
        assert received.count(b"HTTP/1.1 200 ") == 2


def test_large_answer_comes_whole_to_who_reads_slowly(served: Worker) -> None:
    with served.connect() as slow, served.connect() as other:
        slow.sendall(request("/big", "Connection: close"))
        time.sleep(0.1)
        assert served.ask(other, POLL).status == 304
        slow.sendall(b"what comes after the last request")
        assert len(read_all(slow).partition(b"\r\n\r\n")[2]) == BIG


def test_feed_that_was_published_anew_is_what_the_next_request_gets(served: Worker) -> None:
    with served.connect() as reader, served.connect() as editor:
        for number in range(30):
            served.ask(editor, request(f"/publish?{number}"))
            bodies = {served.ask(reader, request("/feeds/all.rss")).body for _ in range(3)}
            assert bodies == {b"<rss>%d</rss>" % number}


def test_what_is_asked_in_any_way_is_answered_alike(served: Worker) -> None:
    path = "/feeds/tags/%CE%B8%CE%B1.rss"
    plain = served.converse(request(path, "Connection: close")).partition(b"\r\n\r\n")[2]
    assert plain
    http_1_0 = b"GET " + path.encode() + b" HTTP/1.0\r\n\r\n"
    for said in (request(f"{path}?a=b", "Connection: close"), request(path), http_1_0):
        assert served.converse(said).partition(b"\r\n\r\n")[2] == plain
    head = served.converse(request(path, method="HEAD"))
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(plain) in head


def test_kept_connection_of_http_1_0_is_kept(served: Worker) -> None:
    with served.connect() as connection:
        for _ in range(3):
            said = b"GET /feeds/all.rss HTTP/1.0\r\nConnection: keep-alive\r\nIf-None-Match: *\r\n\r\n"
            answer = served.ask(connection, said)
            assert (answer.status, answer.fields["connection"]) == (304, "keep-alive")


def test_stalled_uploads_keep_no_page_and_no_push_waiting(served: Worker) -> None:
    stalled = b'POST /api/a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"ti'
    with ExitStack() as stack:
        many(served, 60, stalled, stack)
        began = time.monotonic()
        with served.connect() as connection:
            assert served.ask(connection, request("/page")).status == 200
            assert served.ask(connection, request("/api/a", method="PUT", body=b"x")).status == 200
        assert time.monotonic() - began < 1


def test_pages_wait_for_a_thread_instead_of_failing(served: Worker) -> None:
    statuses: list[int] = []

    def ask() -> None:
        with served.connect() as connection:
            statuses.append(served.ask(connection, request("/slow")).status)

    threads = [threading.Thread(target=ask) for _ in range(40)]  # 3 s of work for four threads
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40


def test_worker_that_ends_answers_what_is_open_and_cuts_nothing_off() -> None:
    with worker() as served:
        with served.connect() as waiting, served.connect() as idle, served.connect() as large:
            assert served.ask(idle, POLL).status == 304
            large.sendall(request("/big"))
            waiting.sendall(request("/slow"))
            time.sleep(0.1)
            served.process.terminate()
            time.sleep(0.15)
            idle.sendall(POLL)  # just as it ends
            assert b"/slow" in read_all(waiting)
            assert len(read_all(large).partition(b"\r\n\r\n")[2]) == BIG
            assert read_all(idle).startswith(b"HTTP/1.1 304 ")
        assert served.process.wait(5) == 0
