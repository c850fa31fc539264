"""The servers that `serve` compares, each with the same feed, and seen to answer rightly before it counts.

Knows how to start each, and nothing of loads or rates.
"""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks import machine, running
from benchmarks.archives import Archives
from benchmarks.peers import nginx, python_servers
from benchmarks.polls import Way
from benchmarks.running import ROOT, Answer, Server, get
from benchmarks.service import FEED, Site

FEEDSVC = "feedsvc"
NGINX = "nginx, static files"
FLASK_GUNICORN = "Flask view on gunicorn"
DJANGO = "Django syndication, cached, on gunicorn"
_FLASK_APPLICATION = "benchmarks.peers.flask_view:app"
_DJANGO_APPLICATION = "benchmarks.peers.django_site:application"
_ENTRIES = 50
_Add = Callable[[str, Server, bytes | None], "Contestant"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server with the feed at FEED, and the ETag of its gzip representation.

    `ways` are the ports at which it is polled by each way, and the process whose CPU that takes.
    """

    name: str
    server: Server
    etag: str
    ways: dict[Way, tuple[int, int]]


class WrongAnswerError(Exception):
    """A contestant does not do the work it would be measured at."""


@dataclass(frozen=True, slots=True)
class _Bytes:
    """The feed as feedsvc serves it, which most of the others serve as it is."""

    plain: bytes
    gzipped: bytes
    json: bytes


@contextmanager
def all_of_them(
    archives: Archives, site: Site, cores: set[int] | None, load_cores: set[int] | None
) -> Iterator[tuple[list[Contestant], list[str]]]:
    """Every contestant that can be had, feedsvc first; and the names of those that are missing, with why."""
    with ExitStack() as stack:
        found: list[Contestant] = []
        missing: list[str] = []

        def add(name: str, server: Server, expected: bytes | None) -> Contestant:
            stack.callback(server.stop)
            ways: dict[Way, tuple[int, int]] = {"plain": (server.port, server.pid)}
            found.append(Contestant(name, server, _seen_to_work(name, server, expected), ways))
            return found[-1]

        def add_proxy(one: Contestant, folder: Path) -> None:
            proxy = nginx.start_proxy(folder, FEED, one.server.port, load_cores)
            stack.callback(proxy.stop)
            one.ways["proxy"] = proxy.port, one.server.pid

        service = site.serve(cores=cores)
        feed = _bytes_of(service)
        ours = add(FEEDSVC, service, feed.plain)
        if machine.has(nginx.COMMAND):
            folder = archives.empty_folder("nginx")
            certificate, key = _certificate(folder)
            tls_port = running.free_port()
            tls = (tls_port, certificate, key)
            theirs = add(NGINX, nginx.start(folder, FEED, feed.plain, feed.gzipped, cores, tls), feed.plain)
            theirs.ways["tls"] = tls_port, theirs.server.pid
            with_tls = site.serve_tls(certificate, key, cores)
            stack.callback(with_tls.stop)
            ours.ways["tls"] = with_tls.port, with_tls.pid
            for one in (ours, theirs):
                add_proxy(one, folder)
        else:
            missing.append(f"{NGINX}: no `nginx` on the path")
        _add_wsgi(archives, feed, cores, add, missing)
        if find_spec("django") and find_spec("gunicorn"):
            add(DJANGO, _django(archives.empty_folder("django"), feed, cores), None)
        else:
            missing.append(f"{DJANGO}: not installed")
        yield found, missing


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, such as Let's Encrypt gives by default: ECDSA on P-256."""
    certificate, key = (folder / "tls.pem").absolute(), (folder / "tls.key").absolute()
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9 -subj /CN=a"
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60
    )
    return certificate, key


def _bytes_of(service: Server) -> _Bytes:
    gzipped = get(service.port, FEED, Accept_Encoding="gzip").body
    as_json = get(service.port, FEED.replace(".rss", ".json")).body
    plain = get(service.port, FEED).body
    if plain.count(b"<item>") != _ENTRIES:
        raise WrongAnswerError(f"feedsvc: {plain.count(b'<item>')} items at {FEED}, want {_ENTRIES}")
    return _Bytes(plain, gzipped, as_json)


def _add_wsgi(
    archives: Archives, feed: _Bytes, cores: set[int] | None, add: _Add, missing: list[str]
) -> None:
    folder = archives.empty_folder("flask")
    (folder / "all.rss").write_bytes(feed.plain)
    (folder / "all.rss.gz").write_bytes(feed.gzipped)
    environment = {"FLASK_VIEW_FOLDER": str(folder.absolute())}
    if not find_spec("gunicorn"):
        missing.append(f"{FLASK_GUNICORN}: not installed")
        return
    for worker in python_servers.GUNICORN_WORKERS:
        server = python_servers.gunicorn(_FLASK_APPLICATION, folder, FEED, environment, cores, worker)
        add(f"{FLASK_GUNICORN} ({worker})", server, feed.plain)


def _django(folder: Path, feed: _Bytes, cores: set[int] | None) -> Server:
    (folder / "stories.json").write_bytes(feed.json)
    environment = {"DJANGO_SITE_FOLDER": str(folder.absolute())}
    fill = [sys.executable, "-m", "benchmarks.peers.django_site"]
    subprocess.run(fill, cwd=ROOT, env=os.environ | environment, check=True, timeout=60)
    return python_servers.gunicorn(_DJANGO_APPLICATION, folder, FEED, environment, cores, "gthread")


def _seen_to_work(name: str, server: Server, expected: bytes | None) -> str:
    """The gzip ETag of a contestant that answers with the right bytes, and 304 to those who have them."""
    full = get(server.port, FEED, Accept_Encoding="gzip")
    _want(full.status == 200 and full.fields.get("content-encoding") == "gzip", name, "200 in gzip", full)
    plain = gzip.decompress(full.body)
    _want(plain == expected if expected else plain.count(b"<item>") == _ENTRIES, name, "the same feed", full)
    etag = full.fields.get("etag", "")
    _want(bool(etag), name, "an ETag", full)
    conditional = get(server.port, FEED, Accept_Encoding="gzip", If_None_Match=etag)
    _want(conditional.status == 304 and not conditional.body, name, "304", conditional)
    return etag


def _want(right: bool, name: str, wanted: str, answer: Answer) -> None:
    if not right:
        raise WrongAnswerError(f"{name}: want {wanted}, got {answer.status} with {dict(answer.fields)}")
