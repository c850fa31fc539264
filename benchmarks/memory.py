"""`memory`: what refresher and worker hold, at each size and while thousands of feeds are polled.

Knows which process is which, and nothing of what they do with it.
"""

import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import corpus
from benchmarks.archives import Archives
from benchmarks.measuring import Memory, Peak, children, memory
from benchmarks.polling import Reader
from benchmarks.results import Section, Table, Target
from benchmarks.running import HOST, Server
from benchmarks.scale import Scale
from benchmarks.service import FEED, Site

_CACHE_BYTES = 64_000_000
"""The default of `http.cache`."""
_OVER_CACHE_BYTES = 80_000_000
_SETTLE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Held:
    """Of the parent of `feedsvc serve`, which refreshes, and of its worker."""

    refresher: Memory
    worker: Memory


@dataclass(frozen=True, slots=True)
class Polled:
    """Of a worker, before, at its most, and after every feed was polled once; and how much it was sent."""

    feeds: int
    sent_bytes: int
    before: Memory
    most: Memory
    after: Memory


def run(scale: Scale, archives: Archives) -> Section:
    """Look at idle services, and then poll one of many feeds."""
    section = Section("memory", "what the processes hold")
    idle = {size: _idle(archives.site(size)) for size in scale.archives}
    polled = _polled(_many_feeds(archives, scale.polled_feeds), scale.polled_feeds)
    section.tables += [_idle_table(idle), _polled_table(polled)]
    bound = _CACHE_BYTES + _OVER_CACHE_BYTES
    most = max([polled.most.rss, *(held.worker.rss for held in idle.values())])
    section.targets.append(
        Target(
            f"A worker's memory, {polled.feeds:,} feeds polled, any archive",
            f"{most / 1e6:.0f} MB",
            f"≤ {bound / 1e6:.0f} MB (its cache and 80 MB)",
            most <= bound,
        )
    )
    section.how += [
        f"Idle: {_SETTLE_SECONDS} s after a start on the loaded archive and a poll of its feed of "
        "everything. MB are 1,000,000 bytes; PSS counts a page that processes share once. The target goes "
        "by RSS.",
        f"Polled: {polled.feeds:,} RSS feeds of one story each, once in gzip, over one connection, with "
        f"`http.cache` as it comes ({_CACHE_BYTES / 1e6:.0f} MB); the most was sampled every 50 ms.",
    ]
    return section


def _idle(site: Site) -> Held:
    server = site.serve()
    try:
        reader = Reader(server.port, FEED)
        reader.poll()
        reader.close()
        time.sleep(_SETTLE_SECONDS)
        return Held(memory(server.pid), memory(_worker(server)))
    finally:
        server.stop()


def _worker(server: Server) -> int:
    """The child that holds most: the others only see to it that nothing is left behind."""
    return max(children(server.pid), key=lambda pid: memory(pid).rss)


def _many_feeds(archives: Archives, feeds: int) -> Site:
    """A site with a feed for each of so many tags, a story in each, together larger than the cache."""
    folder = archives.empty_folder("many-feeds")
    _write_tagged(folder / "content", feeds)
    # One format, for one is polled, and three would take three times as long to make.
    site = Site(folder, folder / "content", formats=("rss",))
    site.refresh()
    return site


def _write_tagged(content: Path, feeds: int) -> None:
    content.mkdir()
    for number, plan in enumerate(corpus.stories(feeds)):
        front, _, body = plan.text.removeprefix("---\n").partition("\n---\n")
        lines = [line for line in front.splitlines() if not line.startswith(("tags:", "authors:"))]
        tagged = "\n".join(["---", *lines, f"tags: [Matter {number}]", "---", f"{body}\n{body}"])
        (content / f"story-{number}.md").write_text(tagged, "utf-8")


def _polled(site: Site, feeds: int) -> Polled:
    server = site.serve()
    try:
        time.sleep(_SETTLE_SECONDS)
        worker = _worker(server)
        before = memory(worker)
        with Peak(worker) as peak:
            sent = sum(_poll_each(server.port, feeds))
        return Polled(feeds, sent, before, peak.most, memory(worker))
    finally:
        server.stop()


def _poll_each(port: int, feeds: int) -> Iterator[int]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    for number in range(feeds):
        path = f"/feeds/tags/matter-{number}.rss"
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise http.client.HTTPException(f"{path}: {response.status}")
        yield len(body)
    connection.close()


def _megabytes(held: Memory) -> tuple[str, str]:
    return f"{held.rss / 1e6:.0f}", f"{held.pss / 1e6:.0f}" if held.pss else "–"


def _idle_table(idle: dict[int, Held]) -> Table:
    columns = ("idle, stories", "refresher RSS, MB", "PSS, MB", "worker RSS, MB", "PSS, MB")
    rows = [
        (f"{size:,}", *_megabytes(held.refresher), *_megabytes(held.worker)) for size, held in idle.items()
    ]
    return Table("", columns, rows)


def _polled_table(polled: Polled) -> Table:
    columns = (f"worker, {polled.feeds:,} feeds", "RSS, MB", "PSS, MB")
    rows = [
        ("before", *_megabytes(polled.before)),
        ("at its most", *_megabytes(polled.most)),
        ("after", *_megabytes(polled.after)),
    ]
    return Table(f"Every feed polled once, {polled.sent_bytes / 1e6:.0f} MB of gzip sent", columns, rows)
