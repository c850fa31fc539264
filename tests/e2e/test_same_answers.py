"""By TCP, TLS, a Unix socket, and from create_app() on gunicorn, the same request has the same answer."""

import http.client
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.conftest import Service
from tests.stories import write_story

GREEK = "%CE%B8%CE%AC%CE%BB%CE%B1%CF%83%CF%83%CE%B1"
PATHS = [
    *(f"/feeds/{key}.{fmt}" for key in ("all", "sections/world", f"tags/{GREEK}") for fmt in ("rss", "json")),
    "/feeds/all.rss?x=y", "/feeds/%61ll.rss", "/feeds/none.rss", "/feeds//all.rss", "/feeds/all.xml",
    "/", "/sections/world", "/sections/world/", "/stories/s1", "/stories/gone", "/stories/none", "/nothing",
    "/feeds.opml", "/feeds/tags.opml", "/sitemap-news.xml", "/robots.txt", "/static/feedsvc.css",
    "/static/feed.css?v=0", "/healthz", "/api/schema", "/api/openapi.json", "/api/articles/s1", "/api/none",
    "/partners/acme/feeds/all.rss", "/partners/acme/feeds.opml", "/partners/none/feeds/all.rss",
]  # fmt: skip
FIELDS: list[dict[str, str]] = [
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept-Encoding": "br, zstd;q=0.5"},
    {"Accept-Encoding": "identity;q=0"},
    {"If-None-Match": "*"},
    {"If-Match": '"other"'},
    {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    {"Sec-Fetch-Dest": "document"},
    {"Authorization": "Bearer nonsense"},
]
METHODS = ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]
NOT_COMPARED = {"date", "server", "connection", "transfer-encoding", "content-length", "keep-alive"}


class Answer(NamedTuple):
    """What is to be the same."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes


Connect = Callable[[], http.client.HTTPConnection]


class _ByUnixSocket(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("a.example", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def ask(connect: Connect, method: str, path: str, fields: dict[str, str]) -> Answer:
    connection = connect()
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": "a.example"} | fields).items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    told = [(name.lower(), value) for name, value in response.getheaders()]
    body = response.read()
    connection.close()
    return Answer(response.status, sorted(one for one in told if one[0] not in NOT_COMPARED), body)


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Connect]]:
    folder = tmp_path_factory.mktemp("ways")
    partner = '[partners.acme]\nfeeds = ["all"]\n'
    served = Service(folder, config=partner)
    for number in range(12):
        write_story(
            served.content, f"s{number}.md", title=f"Story {number}", section="World", tags="[θάλασσα]"
        )
    write_story(served.content, "gone.md", status="withdrawn", reason="It was not so.")
    served.start()
    token = served.run("token", "create", "acme").stdout.strip()
    FIELDS.append({"Authorization": f"Bearer {token}"})
    certificate, key = folder / "c.pem", folder / "k.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=a"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    text = served.config.read_text()
    tls, port = folder / "tls.toml", _free_port()
    tls.write_text(f'{text}\n[http]\nport = {port}\n[http.tls]\ncertificate = "c.pem"\nkey = "k.pem"\n')
    path, gunicorn_port = folder / "web.sock", _free_port()
    feedsvc = [sys.executable, "-m", "feedsvc", "web"]
    gunicorn = [sys.executable, "-m", "gunicorn", "feedsvc.web:create_app()", "--threads", "4", "--bind"]
    started = [
        subprocess.Popen([*feedsvc, "--config", str(tls)], cwd=folder),
        subprocess.Popen([*feedsvc, "--config", str(served.config), "--uds", str(path)], cwd=folder),
        subprocess.Popen(
            [*gunicorn, f"127.0.0.1:{gunicorn_port}", "--log-level", "error"],
            cwd=folder,
            env=os.environ | {"FEEDSVC_CONFIG": str(served.config)},
        ),
    ]
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    made: dict[str, Connect] = {
        "TCP": lambda: http.client.HTTPConnection("127.0.0.1", served.port, timeout=10),
        "TLS": lambda: http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context),
        "Unix socket": lambda: _ByUnixSocket(path),
        "gunicorn": lambda: http.client.HTTPConnection("127.0.0.1", gunicorn_port, timeout=10),
    }
    for connect in made.values():
        served.wait_until(lambda connect=connect: _answers(connect), 30)  # type: ignore[misc]
    yield made
    for process in started:
        process.terminate()
        process.wait(10)
    served.kill()
    served.client.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(connect: Connect) -> bool:
    try:
        return ask(connect, "GET", "/feeds/all.rss", {}).status == 200
    except OSError:
        return False


def differences(ways: dict[str, Connect], method: str, path: str, fields: dict[str, str]) -> list[str]:
    first = ask(ways["TCP"], method, path, fields)
    return [
        f"{method} {path} {fields} by {way}: {answer} instead of {first}"
        for way, connect in ways.items()
        if way != "TCP" and (answer := ask(connect, method, path, fields)) != first
    ]


@pytest.mark.parametrize("path", PATHS)
def test_same_is_answered_whichever_way_it_is_asked(ways: dict[str, Connect], path: str) -> None:
    asked = [("GET", fields) for fields in FIELDS] + [(method, {}) for method in METHODS]
    found = [told for method, fields in asked for told in differences(ways, method, path, fields)]
    assert not found, "\n".join(found[:3])
