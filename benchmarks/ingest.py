"""`ingest`: stories pushed as one batch of NDJSON to a service that publishes them meanwhile.

Knows the API's addresses, and a story of the size that stories have.
"""

import http.client
import json
import os
import subprocess
import time

from benchmarks import running
from benchmarks.archives import Archives
from benchmarks.measuring import median
from benchmarks.results import Section, Table, Target
from benchmarks.scale import Scale
from benchmarks.service import Site, command

_STORIES = 10_000
_BATCHES = 3
_SECTIONS = ("World/Middle East", "World/Europe", "Sport", "Business", "Culture/Film")
_BODY = "The ferry operators met again, and nobody left early. It was a long day.\n\n" * 25


def run(scale: Scale, archives: Archives) -> Section:
    """Push batches of new stories to a service each time anew."""
    section = Section("ingest", "stories pushed")
    number = min(_STORIES, 10 * scale.archives[0])
    rates, again = zip(*(_pushed(archives, number) for _ in range(_BATCHES)), strict=True)
    rows = [("new", f"{median(list(rates)):,.0f}"), ("the same again", f"{median(list(again)):,.0f}")]
    section.tables.append(Table("", (f"{number:,} stories in one batch", "a second"), rows))
    rate = median(list(rates))
    section.targets.append(Target("Stories pushed by NDJSON", f"{rate:,.0f}/s", "> 2,000/s", rate > 2_000))
    section.how.append(
        "From the first byte of the request to the last of the answer, over a loopback connection, to "
        "`feedsvc serve` with one worker and the refresher beside it, on SQLite: stories of 2 kB in five "
        f"sections, 128 tags and 40 authors. The median of {_BATCHES}, each on a new store."
    )
    return section


def _pushed(archives: Archives, number: int) -> tuple[float, float]:
    """Stories a second of a batch of new ones, and of the same batch again."""
    folder = archives.empty_folder("ingest")
    (folder / "content").mkdir()
    site = Site(folder, folder / "content")
    server = site.serve()
    try:
        make = [*command(), "token", "create", "cms", "--scope", "write", "--config", str(site.config)]
        ours = os.environ | {"PYTHONPATH": str(running.ROOT)}
        made = subprocess.run(make, capture_output=True, text=True, check=True, cwd=folder, env=ours)
        token = made.stdout.strip()
        time.sleep(1)  # until the worker knows it
        batch = b"".join(_line(n) for n in range(number))
        return _push(server.port, token, batch, number, 201), _push(server.port, token, batch, number, 200)
    finally:
        server.stop()


def _push(port: int, token: str, batch: bytes, number: int, status: int) -> float:
    connection = http.client.HTTPConnection(running.HOST, port, timeout=120)
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    began = time.perf_counter()
    connection.request("POST", "/api/articles", batch, fields)
    answers = connection.getresponse().read().splitlines()
    seconds = time.perf_counter() - began
    connection.close()
    assert [json.loads(one)["status"] for one in answers] == [status] * number
    return number / seconds


def _line(n: int) -> bytes:
    story = {
        "id": f"wire/{n}",
        "title": f"Harbour talks resume for the {n}th time",
        "body": _BODY,
        "published": f"2026-0{1 + n % 9}-01T10:{n % 60:02}:00+01:00",
        "section": _SECTIONS[n % len(_SECTIONS)],
        "tags": [f"Topic {n % 97}", f"Place {n % 31}"],
        "authors": [f"Author {n % 40}"],
    }
    return json.dumps(story).encode() + b"\n"
