"""Whether or not a front stands before Granian, a client is sent the same; with one, most from memory."""

import itertools
import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feedsvc.web.heads import Answering, answer_head, plain_request, response_size, without_user_agent
from feedsvc.web.peers import Peers
from tests.fronted import BIG
from tests.shelves import Hands, feed, found_in, made_service, place

if sys.platform != "linux":
    pytest.skip("a front stands before Granian on Linux only", allow_module_level=True)

LAST = b"GET /healthz HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
_DATE = re.compile(rb"(?<=\r\n)date: [^\r\n]*\r\n")


@dataclass
class Worker:
    """A Granian with one worker that serves `tests.fronted`."""

    port: int
    process: subprocess.Popen[bytes]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def said(self, *pieces: bytes, pause: float = 0.0) -> tuple[bytes, bool]:
        """All that is said on one connection to which these are sent, in their order, and LAST after them.

        Without its dates; and whether it was cut off: who closes on what it won't read takes back its answer.
        """
        with self.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for piece in [*pieces, LAST]:
                    connection.sendall(piece)
                    time.sleep(pause)
                hung_up = False
            except OSError:
                hung_up = True
            received, cut_off = read_all(connection)
            return _DATE.sub(b"", received), cut_off or hung_up

    def ask(self, connection: socket.socket, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """The answer to one request on a connection that goes on."""
        connection.sendall(request)
        return answer_of(connection)

    @property
    def worker(self) -> int:
        """The process id of the worker itself."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[-1])


def read_all(connection: socket.socket) -> tuple[bytes, bool]:
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        return received, True
    return received, False


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    status, fields, body = 0, dict[str, str](), b""
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(connection.recv(65_536))
        elif isinstance(event, h11.Response):
            status = event.status_code
            fields = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            assert isinstance(event, h11.EndOfMessage), event
            return status, fields, body


def get(path: str, *fields: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a.example", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def started(front: bool) -> Worker:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "tests.fronted:app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--http", "1", "--log-level", "critical"]
    command += ["--blocking-threads", "4"]
    environment = os.environ | {"PYTHONHASHSEED": "0"} | ({"FRONT_AT": str(port)} if front else {})
    worker = Worker(port, subprocess.Popen(command, cwd=Path(__file__).parent.parent, env=environment))
    for _ in range(100):
        with suppress(OSError), worker.connect() as connection:
            assert worker.ask(connection, get("/page"))[0] == 200
            return worker
        time.sleep(0.1)
    worker.process.kill()
    raise TimeoutError("Granian did not start")


@contextmanager
def running(*, front: bool) -> Iterator[Worker]:
    worker = started(front)
    try:
        yield worker
    finally:
        worker.process.terminate()
        worker.process.wait(10)


@pytest.fixture(scope="module")
def fronted() -> Iterator[Worker]:
    with running(front=True) as worker:
        yield worker


@pytest.fixture(scope="module")
def bare() -> Iterator[Worker]:
    with running(front=False) as worker:
        yield worker


@pytest.fixture(scope="module")
def etag(fronted: Worker) -> str:
    with fronted.connect() as connection:
        return fronted.ask(connection, get("/feeds/world.rss", "Accept-Encoding: gzip"))[1]["etag"]


# The same, whatever is asked

_PATHS = [
    "/feeds/world.rss",
    "/feeds/all.json",
    "/feeds/none.rss",
    "/page",
    "/stream",
    "/empty",
    "/feeds/%61ll.rss",
]
_PATHS += [
    "/feeds/world.rss?a=b",
    "//feeds/world.rss",
    "*",
    "http://a.example/feeds/world.rss",
    "",
    "/feeds/wörld.rss",
]
_FIELDS = [
    "Accept-Encoding: gzip",
    "accept-encoding: br;q=0.5, gzip",
    "Accept-Encoding: identity;q=0",
    "User-Agent: reader/1",
    'User-Agent: reader/2 (+https://a.example/; by "us")',
    "User-Agent:  two",
    "User-Agent: caf\xe9",
    "User-Agent:",
    "If-None-Match: ETAG",
    'If-None-Match: "x", W/ETAG',
    'If-Match: "x"',
    "If-Modified-Since: Wed, 11 Feb 2026 14:00:05 GMT",
    "Sec-Fetch-Dest: document",
    "Connection: keep-alive",
    "Connection: close",
    "Connection: upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "Host: b.example",
    "Content-Length: 0",
    "X-Odd:  two  spaces  ",
    "X-Odd:\ttab",
    "X-Empty:",
    "X_Under: score",
    "X-Latin: caf\xe9",
    "X Space: x",
    " folded",
    "X-Long: " + "x" * 5_000,
    "Range: bytes=0-9",
]
_METHODS = ["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "get"]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One that may be right or wrong, without a body: what Granian says of wrong ones is not steady."""
    method = draw(st.sampled_from(_METHODS))
    fields = draw(st.lists(st.sampled_from(_FIELDS), max_size=3))
    version = draw(st.sampled_from(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/1.2"]))
    host = draw(st.sampled_from([["Host: a.example"]] * 8 + [[]]))
    target = draw(st.sampled_from(_PATHS))
    lines = "\r\n".join([f"{method} {target} {version}", *host, *fields, "", ""])
    return lines.encode("latin-1")


@settings(max_examples=150, derandomize=True)
@given(asked=st.lists(requests(), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=3))
@example(asked=[get("/feeds/world.rss", "Accept-Encoding: gzip")] * 3, cuts=[])
@example(asked=[get("/feeds/world.rss", "If-None-Match: ETAG", "Accept-Encoding: gzip")] * 3, cuts=[40])
def test_same_bytes_get_the_same_answers(
    fronted: Worker, bare: Worker, etag: str, asked: list[bytes], cuts: list[int]
) -> None:
    asked = [one.replace(b"ETAG", etag.encode()) for one in asked]
    pieces = asked
    if cuts:
        everything = b"".join(asked)
        at = [0, *sorted(min(cut, len(everything)) for cut in cuts), len(everything)]
        pieces = [everything[start:end] for start, end in itertools.pairwise(at) if start < end]
    # Granian's own answer to a wrong request depends on how much of it has come when it looks.
    pauses = [0.002 * attempt for attempt in range(1, 9)]
    assert any(_is_same(fronted.said(*pieces, pause=one), bare.said(*pieces, pause=one)) for one in pauses)


def _is_same(one: tuple[bytes, bool], other: tuple[bytes, bool]) -> bool:
    (by_front, cut_off), (by_granian, cut_off_too) = one, other
    if cut_off or cut_off_too:
        shortest = min(len(by_front), len(by_granian))
        return by_front[:shortest] == by_granian[:shortest]
    return by_front == by_granian


@pytest.mark.parametrize(
    "fields", [[], ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip", "If-None-Match: ETAG"]]
)
def test_what_is_asked_again_gets_what_it_got_first(
    fronted: Worker, bare: Worker, etag: str, fields: list[str]
) -> None:
    fields = [one.replace("ETAG", etag) for one in fields]
    with bare.connect() as connection:
        wanted = bare.ask(connection, get("/feeds/world.rss", *fields))
    del wanted[1]["date"]
    with fronted.connect() as connection:
        for _ in range(5):
            status, given, body = fronted.ask(connection, get("/feeds/world.rss", *fields))
            assert abs(parsedate_to_datetime(given.pop("date")).timestamp() - time.time()) < 2
            assert (status, given, body) == wanted
        connection.sendall(get("/known"))
        assert json.loads(answer_of(connection)[2])["known"] > 0


def test_readers_that_differ_by_name_alone_get_the_same(fronted: Worker) -> None:
    with fronted.connect() as connection:
        answers = []
        for number in range(100):
            fields = ("Accept-Encoding: gzip", f"User-Agent: reader/{number}", "Accept: */*")
            answers.append(fronted.ask(connection, get("/feeds/world.rss", *fields)))
            answers[-1][1].pop("date")
        assert all(answer == answers[0] for answer in answers)
        said_too_much = get("/feeds/world.rss", "Accept-Encoding: gzip", "User-Agent: a\x01b", "Accept: */*")
        assert fronted.ask(connection, said_too_much)[0] == 400


def test_a_feed_that_was_published_anew_is_what_the_next_request_gets(fronted: Worker) -> None:
    asked = get("/feeds/all.rss", "Accept-Encoding: identity")
    with fronted.connect() as reader, fronted.connect() as editor:
        for number in range(30):
            body = f"<rss>{number}</rss>".encode()
            post = get(f"/publish?digest={number}", f"Content-Length: {len(body)}", method="POST") + body
            assert fronted.ask(editor, post)[2] == b"published"
            assert [fronted.ask(reader, asked)[2] for _ in range(3)] == [body] * 3


def test_application_sees_whose_request_it_is(fronted: Worker) -> None:
    with closing(socket.socket()) as connection:
        connection.settimeout(10)
        connection.bind(("127.9.8.7", 0))
        connection.connect(("127.0.0.1", fronted.port))
        asked = [get("/whoami", "X-Name: a"), get("/feeds/world.rss"), get("/whoami?x", "X-Name: b")]
        said = [fronted.ask(connection, one)[2] for one in asked]
    assert [said[0], said[2]] == [b"127.9.8.7 a", b"127.9.8.7 b"]


def test_each_of_many_gets_its_own(fronted: Worker) -> None:
    wrong: list[object] = []

    def one(name: str) -> None:
        try:
            with fronted.connect() as connection:
                for number in range(30):
                    path = ("/whoami", "/whoami?query")[number % 2]
                    said = fronted.ask(connection, get(path, f"X-Name: {name}-{number}"))[2]
                    if said != f"127.0.0.1 {name}-{number}".encode():
                        wrong.append(said)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=one, args=(f"reader-{number}",)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# What doesn't fit into a socket


@pytest.mark.parametrize("path", ["/big", "/big?by=tunnel"])
def test_large_answer_comes_whole_to_who_reads_slowly(fronted: Worker, path: str) -> None:
    with fronted.connect() as slow, fronted.connect() as other:
        slow.sendall(get(path))
        time.sleep(0.2)
        assert fronted.ask(other, get("/page"))[2] == b"a page"  # meanwhile
        assert answer_of(slow)[2] == b"x" * BIG
        assert fronted.ask(slow, get("/page"))[2] == b"a page"


def test_feed_asked_for_many_times_at_once_comes_as_often(fronted: Worker) -> None:
    asked = get("/feeds/world.rss", "Accept-Encoding: identity")
    with fronted.connect() as connection:
        wanted = fronted.ask(connection, asked)[2]
        for _ in range(20):  # one after another, and none is read
            connection.sendall(asked)
            time.sleep(0.01)
        assert answer_bodies(connection, 20) == [wanted] * 20


def test_large_body_comes_whole_and_back(fronted: Worker) -> None:
    body = os.urandom(BIG)
    with fronted.connect() as connection:
        sending = threading.Thread(
            target=connection.sendall, args=(get("/echo", f"Content-Length: {BIG}", method="POST") + body,)
        )
        sending.start()
        time.sleep(0.1)
        assert answer_of(connection)[2] == body
        sending.join()


@pytest.mark.parametrize(
    "asked",
    [
        get("/feeds/all.rss", "Content-Length: 20000000", method="POST"),
        get("/feeds/all.rss", "Content-Length: 20000000", "Connection: close", method="POST"),
        get("/feeds/all.rss", "Content-Length: a", method="POST"),
    ],
)
def test_who_is_refused_while_still_sending_hears_it(fronted: Worker, bare: Worker, asked: bytes) -> None:
    said = []
    for worker in (fronted, bare):
        with worker.connect() as connection:
            with suppress(ConnectionError):
                connection.sendall(asked)
                for _ in range(200):
                    connection.sendall(b"x" * 100_000)
            said.append(answer_of(connection)[0])
    assert said[0] == said[1]
    assert said[0] in {400, 405}


def test_what_comes_after_a_last_request_takes_nothing_from_its_answer(fronted: Worker) -> None:
    for pause in (0.0, 0.005, 0.02, 0.05) * 3:
        with fronted.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            connection.sendall(get("/big", "Connection: close"))
            time.sleep(pause)
            connection.sendall(b"x" * 100)
            assert len(answer_of(connection)[2]) == BIG


def test_answers_are_in_their_order_whatever_does_not_fit(fronted: Worker) -> None:
    """Polls that come while an answer before them still waits to be taken."""
    poll = get("/feeds/world.rss", "Accept-Encoding: gzip")
    with fronted.connect() as connection:
        wanted = fronted.ask(connection, poll)[2]
        for _ in range(10):
            connection.sendall(get("/big"))
            time.sleep(0.05)
            connection.sendall(poll)
            assert answer_bodies(connection, 2) == [b"x" * BIG, wanted]


def answer_bodies(connection: socket.socket, number: int) -> list[bytes]:
    stream = connection.makefile("rb")
    bodies = []
    for _ in range(number):
        length = 0
        while (line := stream.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        bodies.append(stream.read(length))
    return bodies


# Connections that end


def test_client_that_has_said_all_still_hears_the_answer(fronted: Worker, bare: Worker) -> None:
    for asked in (get("/feeds/world.rss"), get("/page"), get("/slow"), get("/big"), get("/stream")):
        with bare.connect() as connection:
            connection.sendall(asked)
            wanted = answer_of(connection)
        with fronted.connect() as connection:
            connection.sendall(asked)
            connection.shutdown(socket.SHUT_WR)
            assert answer_of(connection)[2] == wanted[2]
            assert connection.recv(1) == b""


def descriptors(worker: Worker) -> int:
    return len(os.listdir(f"/proc/{worker.worker}/fd"))


def test_clients_that_hang_up_leave_nothing_behind(fronted: Worker) -> None:
    before = descriptors(fronted)
    for number in range(200):
        with fronted.connect() as connection:
            if number % 4:
                connection.sendall((get("/feeds/world.rss"), get("/slow"), get("/big"))[number % 3])
            if number % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
    for _ in range(100):
        if descriptors(fronted) <= before:
            break
        time.sleep(0.1)
    assert descriptors(fronted) <= before
    with fronted.connect() as connection:
        assert fronted.ask(connection, get("/page"))[2] == b"a page"


def test_when_descriptors_run_out_others_are_answered_one_after_another() -> None:
    with running(front=True) as worker:
        few = descriptors(worker) + 40
        resource.prlimit(worker.worker, resource.RLIMIT_NOFILE, (few, few))
        clients = [worker.connect() for _ in range(25)]
        for client in clients:
            client.sendall(get("/page"))
        assert {answer_of(client)[0] for client in clients} <= {200, 503}  # so many wait for a thread
        for client in clients:
            client.close()


def test_who_asks_while_the_worker_ends_is_answered_and_it_ends_soon() -> None:
    worker = started(front=True)
    with worker.connect() as waiting, worker.connect() as idle:
        assert worker.ask(idle, get("/feeds/world.rss"))[0] == 200
        waiting.sendall(get("/slow"))
        time.sleep(0.1)
        worker.process.terminate()
        assert answer_of(waiting)[2] == b"at last"
        assert idle.recv(1) == b""
    assert worker.process.wait(10) == 0


# Heads


@given(requests())
def test_a_plain_request_is_one_message_and_says_what_it_says(request: bytes) -> None:
    said = plain_request(request)
    if said is None:
        return
    server = h11.Connection(h11.SERVER)
    server.receive_data(request)
    event = server.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target.decode()) == (b"GET", said["PATH_INFO"])
    assert isinstance(server.next_event(), h11.EndOfMessage)
    assert server.trailing_data == (b"", False)
    fields = {
        f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in event.headers
    }
    assert fields == {name: value for name, value in said.items() if name.startswith("HTTP_")}


def test_requests_with_more_to_them_are_not_plain() -> None:
    plain = get("/feeds/all.rss", "Accept: */*")
    assert plain_request(plain) is not None
    for other in (plain + b"x", plain[:-2], plain * 2, plain.replace(b"\r\n", b"\n"), b"\r\n" + plain):
        assert plain_request(other) is None
    assert plain_request(get("/", *(f"X-{number}: x" for number in range(70)))) is None


@given(
    body=st.binary(max_size=200),
    cuts=st.lists(st.integers(0, 300), max_size=5),
    status=st.sampled_from([200, 404, 304, 204]),
)
def test_an_answer_is_known_to_be_whole_when_it_is(body: bytes, cuts: list[int], status: int) -> None:
    body = b"" if status in (204, 304) else body
    length = () if status in (204, 304) else (("Content-Length", str(len(body))),)
    answer = answer_head(status, (("Content-Type", "text/plain"), *length), len(body)).removesuffix(
        b"content-length: 0\r\n" if status == 204 else b""
    )
    answer += b"date: Wed, 11 Feb 2026 14:00:05 GMT\r\n\r\n" + body
    at = [0, *sorted({min(cut, len(answer) - 1) for cut in cuts} - {0}), len(answer)]
    chunks = [answer[start:end] for start, end in itertools.pairwise(at)]
    answering = Answering()
    assert [answering.is_whole_after(chunk) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert Answering().is_whole_after(answer + b"x") is None


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n",
    ],
)
def test_an_answer_that_ends_elsewhere_is_left_to_who_sent_it(head: bytes) -> None:
    assert response_size(head) is None
    assert Answering().is_whole_after(head) is None


# What is known by heart


@given(st.binary(max_size=30))
def test_a_request_without_its_name_is_the_request_less_a_plain_line(name: bytes) -> None:
    asked = get("/feeds/all.rss", "Accept: */*")
    line = b"User-Agent: " + name + b"\r\n"
    named = asked.replace(b"Accept", line + b"Accept")
    nameless = without_user_agent(named)
    if nameless is not None:
        assert nameless == asked
    assert (nameless is not None) == (plain_request(named) is not None)


def learnt(number: int = 0) -> bytes:
    return get("/feeds/all.rss", f"X-Number: {number}")


def test_what_is_forgotten_or_put_out_is_known_no_more() -> None:
    service = made_service(feed(), feed("world"))
    for end in ("forget", "forget_all", "put out"):
        entry = found_in(service.cache, place())
        service.short_cut.learn(learnt(), entry, 200, b"HTTP/1.1 200 OK\r\n", entry.representation.body)
        assert learnt() in service.short_cut.requests
        if end == "forget":
            service.cache.forget([("", "all", "rss")])
        elif end == "forget_all":
            service.cache.forget_all()
        else:
            service.shelf.put(feed(body=b"other", digest="d2"))
            service.cache.forget([("", "all", "rss")])
            found_in(service.cache, place())
        assert not service.short_cut.requests
        service.short_cut.learn(learnt(), entry, 200, b"", b"") if end == "put out" else None
        assert not service.short_cut.requests, "one that was forgotten meanwhile is not learnt"


def test_what_is_known_takes_of_the_memory_there_is_for_feeds() -> None:
    service = made_service(feed(), max_bytes=200_000)
    entry = found_in(service.cache, place())
    before = service.cache.held_bytes
    for number in range(1_000):
        service.short_cut.learn(learnt(number), entry, 304, b"HTTP/1.1 304 Not Modified\r\n", b"")
        assert service.cache.held_bytes - before >= len(service.short_cut.requests) * len(learnt())
        assert service.cache.held_bytes == entry.size
    assert 0 < len(service.short_cut.requests) <= 64
    service.cache.forget_all()
    assert service.cache.held_bytes == entry.size == before


def test_an_answer_that_depends_on_who_or_when_does_not_stand() -> None:
    service = made_service(feed())
    said = plain_request(get("/feeds/all.rss", "Accept-Encoding: gzip"))
    assert said is not None
    assert service.short_cut.standing(said) is None  # not loaded
    found_in(service.cache, place())
    assert service.short_cut.standing(said) is None  # not encoded
    assert service.short_cut.from_memory(said) is not None
    found = service.short_cut.standing(said)
    assert found is not None
    assert found[1] is found_in(service.cache, place())
    for field in ('If-Match: "x"', "Sec-Fetch-Dest: document"):
        said = plain_request(get("/feeds/all.rss", "Accept-Encoding: gzip", field))
        assert said is not None
        found = service.short_cut.standing(said)
        assert found is not None
        assert found[1] is None, field


# Addresses of tunnels


def test_no_two_tunnels_come_from_one_address() -> None:
    peers = Peers()
    peers.have_tunnels = True
    sources = {peers.take(f"peer {number}"): number for number in range(70_000)}
    assert len(sources) == 70_000
    assert all(peers.behind(source) == f"peer {number}" for source, number in sources.items())
    assert not any(source.startswith("127.0.0.") for source in sources)


def test_whose_a_closed_tunnel_was_is_known_for_a_while_and_then_that_it_is_nobodys() -> None:
    clock = Hands()
    peers = Peers(clock)
    peers.have_tunnels = True
    source = peers.take("192.0.2.1")
    peers.give_back(source, answered=False)
    clock.at += 5
    assert peers.take("192.0.2.2") != source
    assert peers.behind(source) == "192.0.2.1"  # its request may wait for a thread
    clock.at += 10
    peers.take("192.0.2.3")
    assert peers.behind(source) == "0.0.0.0"


def test_whose_a_tunnel_was_is_forgotten_once_all_was_answered() -> None:
    peers = Peers()
    peers.have_tunnels = True
    source = peers.take("192.0.2.1")
    peers.give_back(source, answered=True)
    assert peers.behind(source) == "0.0.0.0"


def test_without_tunnels_everybody_has_an_address_of_their_own() -> None:
    assert Peers().behind("127.1.2.3") == "127.1.2.3"
