"""Whatever bytes come, requests are what h11 takes them for, or refused; and nobody gets another's."""

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote

import h11
import pytest

from tests.conversing import LAST, Said, Worker, echoed, read_all, responses, worker

pytestmark = pytest.mark.slow

NUMBER = int(os.environ.get("FEEDSVC_TEST_CONVERSATIONS", "300"))
REFUSED_BY_US = {
    "obs-fold": "RFC 9112 §5.2: a server rejects a line folding, or replaces it; h11 replaces it",
    "bare LF": "RFC 9112 §2.2: a recipient may take a lone LF for a line's end; h11 does",
    "version": "RFC 9110 §2.5: h11 takes any digits for a version of HTTP/1",
    "host": "RFC 9112 §3.2: an empty Host says nothing of which site is asked; h11 allows it, and lists",
    "target": "RFC 9112 §3.2: h11 takes any bytes that are no space for a target",
    "CONNECT": "RFC 9110 §9.3.6: for proxies",
    "length": "RFC 9112 §6.3: h11 takes two equal lengths, and chunked beside a length; llhttp neither",
    "expect": "RFC 9110 §10.1.1: any expectation but 100-continue may be refused or ignored",
    "name": "RFC 9110 §5.6.2",
    "method": "RFC 9110 §9.1: llhttp knows those that are registered, in capitals; h11 takes any token",
}


METHODS = {"GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT"}


class Asked(NamedTuple):
    """What a reader took for a request."""

    method: str
    target: str
    body: bytes


@pytest.fixture(scope="module")
def served() -> Iterator[Worker]:
    with worker() as made:
        yield made


def message(random_: random.Random, name: str) -> bytes:
    """A request, right or wrong."""
    method = random_.choice(["GET"] * 6 + ["HEAD", "POST", "POST", "PUT", "OPTIONS", "CONNECT", "get"])
    targets = ["/api/a", "/api/b?x=1", "/feeds/all.rss", "/feeds/all.rss?q", "/feeds/none.rss", "/page"]
    odd = [
        "*",
        "http://a.example/api/c",
        "HTTP://a.example",
        "/api/%61",
        "//api",
        "api",
        "/a b",
        "/\xe9",
        "/#x",
    ]
    target = random_.choice(targets * 5 + odd)
    version = random_.choice(
        ["HTTP/1.1"] * 16 + ["HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", ""]
    )
    fields = [f"X-Name: {name}"]
    fields += random_.choice(
        [["Host: a.example"]] * 14 + [[], ["Host: a", "Host: b"], ["Host:"], ["host: a,b"]]
    )
    body = random_.choice([b"", b"", b"", b"abc", b"x" * 5_000])
    if method in {"POST", "PUT"} or random_.random() < 0.05:
        lines, body = framed(random_, body)
        fields += lines
    else:
        body = b""
    fields += random_.sample(ODD, random_.choice([0, 0, 0, 1, 2]))
    random_.shuffle(fields)
    end = random_.choice(["\r\n"] * 30 + ["\n"])
    return end.join([f"{method} {target} {version}".strip(), *fields, "", ""]).encode("latin-1") + body


def framed(random_: random.Random, body: bytes) -> tuple[list[str], bytes]:
    """The fields that frame a body, and the body as it is sent."""
    size = len(body)
    kind = random_.choice(
        ["length"] * 6 + ["chunked"] * 4 + ["both", "twice", "unlike", "bad", "gzip", "none"]
    )
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (body[:7], body[7:]) if one)
    ending = random_.choice([b"0\r\n\r\n", b"0\r\nX-Name: trailer\r\n\r\n", b"0;ext=1\r\n\r\n"])
    match kind:
        case "length":
            return [f"Content-Length: {size}"], body
        case "chunked":
            return ["Transfer-Encoding: chunked"], chunks + ending
        case "both":
            return [f"Content-Length: {size}", "Transfer-Encoding: chunked"], chunks + ending
        case "twice":
            return [f"Content-Length: {size}", f"Content-Length: {size}"], body
        case "unlike":
            return [f"Content-Length: {size}", f"Content-Length: {size + 1}"], body
        case "bad":
            return [
                random_.choice(["Content-Length: -1", "Content-Length: 1x", "Transfer-Encoding: chunked, x"])
            ], body
        case "gzip":
            return ["Transfer-Encoding: gzip, chunked"], chunks + ending
    return [], body


ODD = [
    "Connection: close",
    "Connection: keep-alive",
    "Accept-Encoding: gzip",
    "If-None-Match: *",
    "User-Agent:  two  spaces ",
    "X-Empty:",
    " folded",
    "X Space: x",
    "X-Nul: a\0b",
    "X-Long: " + "x" * 6_000,
    "Expect: 100-continue",
    "Expect: nothing",
    "Upgrade: h2c",
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: websocket",
    "X_Name: spoofed",
]


def conversation(seed: int) -> list[bytes]:
    """The pieces of a conversation as they are sent."""
    random_ = random.Random(seed)
    said = b"".join(message(random_, f"client-{seed}") for _ in range(random_.choice([1, 1, 2, 3, 5])))
    said += random_.choice([b""] * 8 + [b"\r\n", b"junk", b"\0", b"GET /half HTTP/1.1\r\nHost:"])
    said += LAST
    cuts = sorted(random_.randrange(len(said)) for _ in range(random_.choice([0, 0, 1, 2, 6])))
    return [said[start:end] for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True) if start < end]


def taken_by_h11(said: bytes) -> tuple[list[Asked], bool]:
    """The requests that h11 takes bytes for, and whether it refuses what follows."""
    connection, found = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000), list[Asked]()
    connection.receive_data(said)
    request: h11.Request | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                found.append(Asked(request.method.decode(), request.target.decode("latin-1"), body))
                connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.MUST_CLOSE or connection.their_state is h11.MUST_CLOSE:
                    return found, False
                connection.start_next_cycle()
            else:
                return found, False
    except h11.RemoteProtocolError:
        return found, True


def answered(served: Worker, pieces: list[bytes], methods: list[str]) -> tuple[list[Said], bytes]:
    """The responses to a conversation, and all bytes that came."""
    with served.connect() as connection:
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
        received = read_all(connection)
    found = list[Said]()
    with suppress(h11.ProtocolError, IndexError):
        found.extend(responses(_Replay(received), methods))  # type: ignore[arg-type]
    return found, received


class _Replay:
    """A connection on which all has come."""

    def __init__(self, received: bytes) -> None:
        self._received = [received, b""]

    def recv(self, _size: int) -> bytes:
        return self._received.pop(0)


def difference(served: Worker, seed: int) -> str:
    """What is wrong about a conversation; nothing if all is right."""
    pieces = conversation(seed)
    said = b"".join(pieces)
    asked, refuses = taken_by_h11(said)
    got, received = answered(served, pieces, [one.method for one in asked] + ["GET"] * 9)
    if received.count(b"client-") != received.count(b"client-%d\n" % seed) or b"trailer" in received:
        return "bytes of another conversation"
    for number, one in enumerate(asked):
        if number >= len(got):
            return f"{one} is not answered" if not _may_end(got) else ""
        response = got[number]
        if response.status >= 400 and response.fields.get("connection") == "close":
            return "" if _is_known(one, said, response) else f"{one} is refused with {response.status}"
        expected = echoed(one.method, _path(one.target), one.body, f"client-{seed}")
        if (
            _is_echo(one)
            and one.target != "/last"
            and response.body != (expected if one.method != "HEAD" else b"")
        ):
            return f"{one} was taken for {response.body!r}"
    if len(got) > len(asked) and not refuses and got[len(asked)].status < 400:
        return f"{got[len(asked)]} answers nothing that was asked"
    return ""


def _may_end(got: list[Said]) -> bool:
    return bool(got) and got[-1].fields.get("connection") == "close"


def _is_echo(one: Asked) -> bool:
    return _path(one.target).startswith("/api")


def _path(target: str) -> str:
    path = target.partition("#")[0]
    if path.lower().startswith("http://"):
        path = "/" + path[7:].partition("/")[2]
    return unquote(path, "latin-1")


def _is_known(one: Asked, said: bytes, response: Said) -> bool:
    """Whether a refusal of what h11 takes is one of REFUSED_BY_US, or of a body that nobody wants."""
    reasons = {
        "obs-fold": b"\r\n folded" in said,
        "bare LF": b"\n" in said.replace(b"\r\n", b"") or b"\r" in said.replace(b"\r\n", b""),
        "version": b"HTTP/1.2" in said or b"HTTP/2.0" in said,
        "host": b"Host:\r\n" in said or b"a,b" in said or b"Host: b" in said,
        "target": not one.target.startswith("/") or "\xe9" in one.target,
        "CONNECT": one.method == "CONNECT",
        "length": said.count(b"Content-Length") > 1 or b"Transfer-Encoding" in said,
        "expect": b"Expect: nothing" in said,
        "name": b"X Space" in said,
        "method": one.method not in METHODS,
    }
    assert reasons.keys() == REFUSED_BY_US.keys()
    not_wanted = response.status in {404, 405} and not _is_echo(one)
    return any(reasons.values()) or not_wanted or response.status == 501


def test_conversations_are_taken_for_what_h11_takes_them_for(served: Worker) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda seed: (seed, difference(served, seed)), range(NUMBER)))
    wrong = [(seed, told, conversation(seed)) for seed, told in found if told]
    assert not wrong, f"{len(wrong)} of {NUMBER}: {wrong[:3]}"
    assert served.process.poll() is None
