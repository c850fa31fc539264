"""A steady load for a long run: stories pushed, edited, withdrawn, expiring, files, polls, partners, pages.

Knows the addresses of the service and the form of a story. The number of stories stays as it is: each has a
place in turn, so that whatever grows does so by itself.
"""

import http.client
import http.server
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import corpus
from benchmarks.running import HOST

PUSHES_A_SECOND = 2.0
FILES_A_SECOND = 1.0
POLLS_A_SECOND = 60.0
PARTNERS_A_SECOND = 2.0
PAGES_A_SECOND = 2.0
BATCH_EVERY = 15.0
"""Seconds between two batches of `STORIES_A_BATCH` stories."""
STORIES_A_BATCH = 20
_EXPIRES_SECONDS = 20
_KNOWN_SECONDS = 10  # until the workers know a new token
_PUBLISHED = datetime(2026, 11, 22, 12, tzinfo=UTC)
_FEEDS = ("all", "sections/world", "sections/sport", "tags/winter-ferries", "custom/top")
_FORMATS = ("rss", "atom", "json")
_PAGES = (
    "/",
    "/sections/world",
    "/feeds.opml",
    "/sitemap-news.xml",
    "/readyz",
    "/metrics",
    "/stories/pushed/2",
)
_GOOD = {200, 201, 204, 304, 404, 410}


class Receiver(http.server.ThreadingHTTPServer):
    """A partner's server that notices are sent to; every tenth it refuses, so that some are sent again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Notice)
        self.received = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.server_address[1]}/hook"


class _Notice(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received += 1
        self.send_response(503 if self.server.received % 10 == 0 else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Load:
    """All of it, in threads, from `start` to `stop`. `counts` are answers by kind and status.

    `places` are the stories that are pushed one by one, those that come in batches, and the files, of each.
    """

    def __init__(
        self, port: int, content: Path, places: int, write_token: str, partner: str, partner_token: str
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.versions = 0
        """Versions of stories that were made."""
        self._places = places
        self._port = port
        self._content = content
        self._staging = content.parent / "staging"
        self._staging.mkdir(exist_ok=True)
        self._write = {"Authorization": f"Bearer {write_token}"}
        self._read = {"Authorization": f"Bearer {partner_token}"}
        self._partner = partner
        self._dice = random.Random(corpus.SEED)
        self._ended = threading.Event()
        self._etags: dict[str, str] = {}
        self._threads = [
            threading.Thread(target=self._at_rate, args=(rate, step), daemon=True)
            for rate, step in (
                (PUSHES_A_SECOND, self._push),
                (FILES_A_SECOND, self._write_file),
                (POLLS_A_SECOND, self._poll),
                (PARTNERS_A_SECOND, self._poll_as_partner),
                (PAGES_A_SECOND, self._page),
                (1 / BATCH_EVERY, self._batch),
            )
        ]

    @property
    def failures(self) -> int:
        """Answers of a status that none of this has, and requests without an answer."""
        return sum(n for name, n in self.counts.items() if int(name.rpartition(" ")[2]) not in _GOOD)

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _at_rate(self, rate: float, step: Callable[[int], None]) -> None:
        """Take steps at that many a second; those that a slow answer delayed are not made up for."""
        number, due = 0, time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            step(number)
            number += 1
            due = max(due + 1 / rate, time.monotonic() - 1 / rate)

    def _ask(
        self, kind: str, method: str, path: str, fields: dict[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse | None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        try:
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self.counts[f"{kind} 0"] += 1
            return None
        finally:
            connection.close()
        self.counts[f"{kind} {response.status}"] += 1
        return response

    # -- stories ----------------------------------------------------------------------------------------

    def _push(self, number: int) -> None:
        """One story after another is edited; of five visits one withdraws it, and one has it expire soon."""
        place, visit = number % self._places, number // self._places
        path = f"/api/articles/pushed/{place}"
        self.versions += 1
        if (place + visit) % 5 == 0:
            self._ask("withdrawal", "DELETE", f"{path}?reason=It+was+not+so.", self._write)
            return
        expires = (
            datetime.now(UTC) + timedelta(seconds=_EXPIRES_SECONDS) if (place + visit) % 5 == 2 else None
        )
        body = json.dumps(_document(place, f"visit {visit}", expires)).encode()
        fields = self._write | {"Content-Type": "application/json"}
        self._ask("push", "PUT", f"{path}?restore=true", fields, body)

    def _batch(self, number: int) -> None:
        places = [(number * STORIES_A_BATCH + n) % self._places for n in range(STORIES_A_BATCH)]
        self.versions += STORIES_A_BATCH
        lines = [{"id": f"batch/{place}"} | _document(place, f"batch {number}") for place in places]
        body = "\n".join(map(json.dumps, lines)).encode()
        self._ask(
            "batch", "POST", "/api/articles", self._write | {"Content-Type": "application/x-ndjson"}, body
        )

    def _write_file(self, number: int) -> None:
        """A file is renamed into its place or saved there; of five visits one withdraws, one deletes it."""
        place, visit = number % self._places, number // self._places
        file = self._content / "soak" / f"file-{place}.md"
        file.parent.mkdir(exist_ok=True)
        self.versions += 1
        if (place + visit) % 5 == 1:
            file.unlink(missing_ok=True)
            return
        status = "withdrawn" if (place + visit) % 5 == 3 else "published"
        text = _file(place, f"visit {visit}", status)
        if place % 2:
            file.write_text(text, "utf-8")
        else:
            draft = self._staging / file.name
            draft.write_text(text, "utf-8")
            draft.rename(file)

    # -- readers ----------------------------------------------------------------------------------------

    def _poll(self, number: int) -> None:
        path = f"/feeds/{self._dice.choice(_FEEDS)}.{self._dice.choice(_FORMATS)}"
        fields = {
            "User-Agent": f"reader/{number} (+https://readers.example/{number})",
            "Accept-Encoding": "gzip",
        }
        if number % 4 and path in self._etags:
            fields["If-None-Match"] = self._etags[path]
        response = self._ask("poll", "GET", path, fields)
        if response and response.status == 200:
            self._etags[path] = response.headers["ETag"]

    def _poll_as_partner(self, number: int) -> None:
        path = f"/partners/{self._partner}/feeds/{_FEEDS[number % 3]}.{_FORMATS[number % 2]}"
        self._ask("partner's poll", "GET", path, self._read | {"Accept-Encoding": "gzip"})

    def _page(self, number: int) -> None:
        self._ask("page", "GET", _PAGES[number % len(_PAGES)], {"Accept-Encoding": "gzip"})


def fill(content: Path, places: int) -> None:
    """Write every file that the load changes later, so that their number is what it will be."""
    (content / "soak").mkdir(parents=True)
    for place in range(places):
        (content / "soak" / f"file-{place}.md").write_text(_file(place, "first", "published"), "utf-8")


def push_all(port: int, token: str, places: int) -> None:
    """Push every story that the load changes later, for the same reason."""
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    lines = [
        json.dumps({"id": f"{kind}/{place}"} | _document(place, "first"))
        for kind in ("pushed", "batch")
        for place in range(places)
    ]
    body = "\n".join(lines).encode()
    until = time.monotonic() + _KNOWN_SECONDS
    while True:
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        connection.request("POST", "/api/articles", body, fields)
        response = connection.getresponse()
        told = response.read()
        connection.close()
        if response.status == 200:
            return
        if response.status != 401 or time.monotonic() > until:
            raise http.client.HTTPException(f"{response.status}: {told[:200]!r}")
        time.sleep(0.1)


def _document(place: int, said: str, expires: datetime | None = None) -> dict[str, object]:
    told: dict[str, object] = {
        "title": f"Winter ferries {place}, {said}",
        "body": "The boats leave an hour earlier, and nobody was told why.\n\n" * 20,
        "published": (_PUBLISHED + timedelta(minutes=place)).isoformat(),
        "section": _section(place),
        "tags": ["Winter ferries", f"Pier {place % 7}"],
        "authors": [_author(place)],
    }
    return told | ({"expires": expires.isoformat()} if expires else {})


def _file(place: int, said: str, status: str) -> str:
    at = (_PUBLISHED + timedelta(minutes=place, seconds=30)).isoformat()
    front: Sequence[str] = (
        f"title: 'Winter trains {place}, {said}'",
        f"date: {at}",
        f"section: {_section(place)}",
        f"tags: [Winter ferries, Pier {place % 7}]",
        f"author: {_author(place)}",
        f"status: {status}",
    )
    return "\n".join(["---", *front, "---", "", "The trains wait for the boats. " * 40, ""])


def _section(place: int) -> str:
    return ("World", "Sport", "Culture")[place % 3]


def _author(place: int) -> str:
    return corpus.AUTHORS[place % 12]
