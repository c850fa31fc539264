"""A worker's way from Granian to what is in memory, with Granian itself and over a socket."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from granian.server import mp

from feedsvc.web.peers import Peers
from feedsvc.web.worker import ask_memory_first, stand_before
from tests.shelves import made_service
from tests.two_ways import TwoWays


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "tests.two_ways:app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--http", "1", "--log-level", "critical"]
    with (
        subprocess.Popen(command, cwd=Path(__file__).parent.parent) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        try:
            for _ in range(100):
                with suppress(httpx.TransportError):
                    client.get("/")
                    break
                time.sleep(0.1)
            yield client
        finally:
            process.terminate()


def test_what_is_in_memory_is_answered_without_wsgi(client: httpx.Client) -> None:
    answer = client.get("/known", headers={"Host": "news.example.org"})
    assert (answer.status_code, answer.headers["Way"]) == (203, "memory")
    assert answer.headers.get_list("Also") == ["1", "2"]
    assert answer.text == "news.example.org /known 127.0.0.1 GET HTTP/1.1"


def test_everything_else_goes_by_wsgi_with_its_body(client: httpx.Client) -> None:
    for body in (b"", b"x" * 100_000):
        answer = client.post("/unknown", content=body)
        assert (answer.headers["Way"], answer.content) == ("wsgi", body or b"nothing")


def test_failure_is_a_500_and_the_connection_goes_on(client: httpx.Client) -> None:
    assert [client.get(path).status_code for path in ("/failing", "/known")] == [500, 203]


# What Granian may be one day


def _app(_environ: object, _start_response: object) -> list[bytes]:
    return []


def _handler_as_it_was(*_: object, **__: object) -> Callable[..., str]:
    return lambda proto, scope: f"by wsgi: {proto}, {scope}"


def _handler_of_other_parameters(*_: object) -> Callable[..., str]:
    return lambda request: f"by wsgi: {request}"


def _handler_in_c(*_: object) -> Callable[..., object]:
    return max


def _made(made_by: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, *given: Any, **named: Any) -> object:
    made: list[object] = []

    def making(*given: Any, **named: Any) -> object:
        made.append(made_by(*given, **named))
        return made[-1]

    monkeypatch.setattr(mp, "_wsgi_call_wrap", making)
    ask_memory_first()
    handler = mp._wsgi_call_wrap(*given, **named)
    return "by WSGI" if handler is made[0] else "from memory"


@pytest.mark.parametrize(
    ("app", "made_by"),
    [
        (_app, _handler_as_it_was),
        (TwoWays(), _handler_of_other_parameters),
        (TwoWays(), _handler_in_c),
    ],
    ids=["application without memory", "handler of other parameters", "handler in C"],
)
def test_what_is_not_known_is_left_as_it_is(
    app: object, made_by: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _made(made_by, monkeypatch, app, {}, None) == "by WSGI"


def test_with_an_access_log_everything_goes_by_wsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _made(_handler_as_it_was, monkeypatch, TwoWays(), {}, None) == "from memory"
    assert _made(_handler_as_it_was, monkeypatch, TwoWays(), {}, "%(addr)s") == "by WSGI"


def test_what_is_given_by_name_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _made(_handler_as_it_was, monkeypatch, TwoWays(), {}, access_log_fmt=None) == "from memory"
    assert _made(_handler_as_it_was, monkeypatch, callback=TwoWays(), scope_opts={}) == "by WSGI"


def test_granian_without_that_place_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mp, "_wsgi_call_wrap")
    ask_memory_first()
    assert not hasattr(mp, "_wsgi_call_wrap")


def test_no_front_stands_before_a_granian_that_is_not_as_known(monkeypatch: pytest.MonkeyPatch) -> None:
    service, asked, unasked = made_service(), Peers(), Peers()
    asked.are_asked = True
    listens = (object(), None)

    def served_by(peers: Peers, *arguments: Any) -> object:
        monkeypatch.setattr(mp, "WSGIWorker", lambda *given: given)
        stand_before(service.short_cut, ("127.0.0.1", 0), peers)
        made: object = mp.WSGIWorker(*arguments)
        return made

    assert served_by(unasked, 1, listens, "more") == (1, listens, "more")  # it would not know whose requests
    assert served_by(asked, 1, (None, "holder"), "more") == (1, (None, "holder"), "more")
    monkeypatch.setattr("feedsvc.web.worker._hold_private_place", _no_place)
    assert served_by(asked, 1, listens, "more") == (1, listens, "more")
    monkeypatch.delattr(mp, "WSGIWorker")
    stand_before(service.short_cut, ("127.0.0.1", 0), asked)
    assert not hasattr(mp, "WSGIWorker")


def _no_place() -> object:
    raise OSError("no such network")
