"""What pollers see of Last-Modified while one story is pushed over and over."""

import threading
from collections import defaultdict
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.e2e.conftest import Service
from tests.stories import write_story

PUTS = 52
PATHS = ("/feeds/all.rss", "/feeds/all.atom", "/feeds/sections/world.json")


class Poller(threading.Thread):
    """Polls some feeds over one connection, or a new one each time, and notes what it sees."""

    def __init__(self, base: str, fields: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._base = base
        self._fields = fields
        self.keeps = fields.get("Connection") != "close"
        self.stopping = threading.Event()
        self.seen: dict[str, list[tuple[str, datetime | None, datetime]]] = defaultdict(list)

    def run(self) -> None:
        with httpx.Client(base_url=self._base, timeout=10) as client:
            while not self.stopping.wait(0.01):
                for path in PATHS:
                    answer = (client.get if self.keeps else httpx.get)(
                        path if self.keeps else self._base + path, headers=self._fields
                    )
                    if answer.status_code == 404 and not self.seen[path]:
                        continue  # the first story is not published yet
                    assert answer.status_code == 200
                    shown = answer.headers.get("Last-Modified")
                    self.seen[path].append(
                        (
                            answer.headers["ETag"],
                            parsedate_to_datetime(shown) if shown else None,
                            parsedate_to_datetime(answer.headers["Date"]),
                        )
                    )


@pytest.mark.timeout(120)
def test_last_modified_never_goes_back_nor_stays_with_other_bytes(service: Service) -> None:
    """Two workers, four pollers, a restart amid it all: RFC 9110 §8.8.2.1."""
    write_story(service.content, "a.md")
    service.start("--workers", "2")
    token = service.run("token", "create", "cms", "--scope", "write").stdout.strip()
    base = f"http://127.0.0.1:{service.port}"
    ways = ({}, {"Connection": "close"}, {"Accept-Encoding": "identity"}, {"Sec-Fetch-Dest": "document"})
    pollers = [Poller(base, fields) for fields in ways]
    for poller in pollers:
        poller.start()

    def put(number: int) -> None:
        answer = service.client.put(
            "/api/articles/burst",
            headers={"Authorization": f"Bearer {token}"},
            json={"title": f"Version {number}", "body": "Text.", "section": "World"},
        )
        assert answer.status_code in (200, 201), answer.text
        service.wait_until(lambda: f"Version {number}" in service.get("/feeds/all.rss").text, 10)

    for number in range(PUTS):
        put(number)
    ends = final(service)
    for poller in pollers:
        poller.stopping.set()
        poller.join(10)
    service.stop()
    service.start("--workers", "2")
    for path, end in ends.items():
        fields = service.get(path).headers
        assert (fields["ETag"], fields["Last-Modified"]) == end
    check(pollers)


def final(service: Service) -> dict[str, tuple[str, str]]:
    """The validators of each feed, once the instant of the last change has come."""
    ends: dict[str, tuple[str, str]] = {}

    def all_are_dated() -> bool:
        for path in PATHS:
            fields = service.get(path).headers
            ends[path] = fields["ETag"], fields.get("Last-Modified", "")
        return all(shown for _, shown in ends.values())

    service.wait_until(all_are_dated, PUTS + 10)
    return ends


def check(pollers: list[Poller]) -> None:
    """One date for the same bytes, another for others, none later than Date, and none that goes back."""
    dates: dict[tuple[str, str], set[datetime]] = defaultdict(set)
    for poller in pollers:
        for path, seen in poller.seen.items():
            shown = [one for _, one, _ in seen if one]
            # On a new connection the other worker may answer, which learns of a change a moment later.
            assert shown == sorted(shown) or not poller.keeps, f"{path}: Last-Modified goes back"
            assert all(one is None or one <= date for _, one, date in seen)
            assert len({tag for tag, _, _ in seen}) > 5
            for tag, one, _ in seen:
                if one:
                    dates[path, tag.split("-")[0].strip('"')].add(one)
    assert all(len(found) == 1 for found in dates.values()), "it moves without the bytes"
    for path in PATHS:
        found = [min(instants) for (one, _), instants in dates.items() if one == path]
        assert len(set(found)) == len(found), "other bytes have the same date"
