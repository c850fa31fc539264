"""`refresh`: how long a story takes from its file to a reader, and what that costs, at each size.

Knows that stories are files and feeds are polled; nothing of what happens between.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import corpus, machine
from benchmarks.archives import Archives
from benchmarks.measuring import cpu_seconds, median, percentile
from benchmarks.peers import hugo
from benchmarks.polling import PAUSE_SECONDS, Reader
from benchmarks.results import Section, Table, Target
from benchmarks.running import Server
from benchmarks.scale import Scale
from benchmarks.service import FEED, Site

_QUIET_SECONDS = 10.0
_BETWEEN_SECONDS = (0.05, 0.2)
"""Between two stories, at random, so that they meet every phase of whatever looks at the store in turns."""
_LIMIT_SECONDS = 10.0
_BUILDS = 3


@dataclass(frozen=True, slots=True)
class Way:
    """Seconds of each story from its file's rename to a reader, and CPU seconds for each."""

    seconds: list[float]
    cpu_seconds: float

    @property
    def p99(self) -> float:
        """The 99th percentile, in seconds."""
        return percentile(self.seconds, 0.99)


def run(scale: Scale, archives: Archives) -> Section:
    """Publish stories one by one into each archive, and rebuild with Hugo what it can."""
    section = Section("refresh", "one story into an archive")
    ways = {size: _way(archives.site(size), size, scale.published) for size in scale.archives}
    rebuilds: dict[int, float] = {}
    if machine.has(hugo.COMMAND):
        rebuilds = {size: _rebuild(archives, size) for size in scale.hugo}
    else:
        section.missing.append("Hugo: no `hugo` on the path")
    section.tables.append(_table(ways, rebuilds))
    section.targets += _targets(ways, rebuilds)
    section.how += [
        f"{scale.published} stories, one after another, each in the archive's sections, with tags and "
        "authors of its own; a pause of 50 to 200 ms between. `feedsvc serve` with its defaults runs on "
        "the loaded archive.",
        "The file is written elsewhere on the same file system and renamed into `content/`; time runs "
        "from the rename until a client has the whole feed of everything with the story in it. The client "
        f"polls every {PAUSE_SECONDS * 1e3:.0f} ms with If-None-Match.",
        "CPU is that of all processes of the service, less what the same span costs with polls and no story.",
        f"Hugo: the median of {_BUILDS} rebuilds, each with one more story, over what the last one wrote; "
        "the same feeds as RSS alone, and no page for people.",
    ]
    return section


def _way(site: Site, size: int, stories: int) -> Way:
    server = site.serve()
    reader = Reader(server.port, FEED)
    drafts = site.folder / "drafts"
    drafts.mkdir(exist_ok=True)
    placed: list[Path] = []
    try:
        _make_folders(site.content)
        reader.poll_for(3)  # start-up is over, and the folders just made are watched
        _settle(server, reader)
        quiet = _quiet(server, reader)
        return _published(site, server, reader, size, stories, placed, quiet)
    finally:
        reader.close()
        server.stop()
        _take_back(site, placed)


def _published(
    site: Site, server: Server, reader: Reader, size: int, stories: int, placed: list[Path], quiet: float
) -> Way:
    dice = random.Random(corpus.SEED)
    seconds: list[float] = []
    before, began = cpu_seconds(server.pid), time.perf_counter()
    for number in range(size, size + stories):
        draft, place, mark = _draft(site, number)
        placed.append(place)
        renamed = time.perf_counter()
        draft.rename(place)
        seconds.append(reader.poll_until(mark, _LIMIT_SECONDS) - renamed)
        reader.poll_for(dice.uniform(*_BETWEEN_SECONDS))
    spent = cpu_seconds(server.pid) - before - quiet * (time.perf_counter() - began)
    return Way(seconds, max(0.0, spent) / stories)


def _settle(server: Server, reader: Reader) -> None:
    """Wait until the service has rendered ahead what its feeds show, which it does once after a start."""
    for _ in range(_MOST_SECONDS_TO_SETTLE):
        before = cpu_seconds(server.pid)
        reader.poll_for(1)
        if cpu_seconds(server.pid) - before < _SETTLED:
            return


_MOST_SECONDS_TO_SETTLE = 30
_SETTLED = 0.25
"""CPU seconds in a second: polls alone take less."""


def _quiet(server: Server, reader: Reader) -> float:
    """CPU seconds that a second costs when the feed is polled and nothing is published."""
    before, began = cpu_seconds(server.pid), time.perf_counter()
    reader.poll_for(_QUIET_SECONDS)
    return (cpu_seconds(server.pid) - before) / (time.perf_counter() - began)


def _draft(site: Site, number: int) -> tuple[Path, Path, bytes]:
    """A story written where nobody looks, its place, and what is in no feed before it comes."""
    plan = corpus.story(number, datetime.now(UTC).replace(microsecond=0))
    draft = site.folder / "drafts" / f"{number}.md"
    draft.write_text(plan.text, "utf-8")
    title = next(line for line in plan.text.splitlines() if line.startswith("title: "))
    return draft, site.content / plan.path, title.removeprefix("title: ").encode()


def _make_folders(content: Path) -> None:
    """This month's, as all but the first story of a month find them."""
    for section in corpus.SECTIONS:
        (content / section / f"{datetime.now(UTC):%Y-%m}").mkdir(parents=True, exist_ok=True)


def _take_back(site: Site, placed: list[Path]) -> None:
    """Leave the archive as it was for what is measured next."""
    for place in placed:
        place.unlink(missing_ok=True)
    site.refresh()


def _rebuild(archives: Archives, size: int) -> float:
    content = archives.content(size)
    with _extra_stories(content, size) as add:
        site = hugo.HugoSite(archives.empty_folder(f"hugo-{size}"), content)
        site.build(anew=True)
        seconds = []
        for _ in range(_BUILDS):
            mark = next(add)
            seconds.append(site.build(anew=False).seconds)
            if mark not in site.entries():
                raise AssertionError(f"Hugo built no feed with {mark!r}")
    return median(seconds)


@contextmanager
def _extra_stories(content: Path, size: int) -> Iterator[Iterator[bytes]]:
    placed: list[Path] = []

    def add() -> Iterator[bytes]:
        for number in range(size, size + _BUILDS):
            plan = corpus.story(number, datetime.now(UTC).replace(microsecond=0))
            placed.append(content / plan.path)
            placed[-1].parent.mkdir(parents=True, exist_ok=True)
            placed[-1].write_text(plan.text, "utf-8")
            yield f" {number}</title>".encode()

    try:
        yield add()
    finally:
        for place in placed:
            place.unlink()


def _table(ways: dict[int, Way], rebuilds: dict[int, float]) -> Table:
    rows = []
    for size, way in ways.items():
        built = rebuilds.get(size)
        rows.append(
            (
                f"{size:,}",
                f"{median(way.seconds) * 1e3:.0f}",
                f"{way.p99 * 1e3:.0f}",
                f"{max(way.seconds) * 1e3:.0f}",
                f"{way.cpu_seconds * 1e3:.0f}",
                f"{built:.2f} s" if built else "–",
                f"{built / median(way.seconds):.0f}" if built else "–",
            )
        )
    columns = ("stories", "median, ms", "99th percentile, ms", "longest, ms", "CPU a story, ms")
    return Table("", (*columns, "Hugo's rebuild", "× feedsvc's median"), rows)


def _targets(ways: dict[int, Way], rebuilds: dict[int, float]) -> list[Target]:
    small = min(ways)
    large = max(size for size in ways if size <= 100_000)
    p99 = ways[large].p99
    what = f"A story's way to a reader, 99th percentile, at {large:,} stories"
    targets = [Target(what, f"{p99 * 1e3:.0f} ms", "< 250 ms", p99 < 0.25)]
    if large > small:
        ratio = p99 / ways[small].p99
        what = f"The same, to that at {small:,}"
        targets.append(Target(what, f"{ratio:.2f} times", "≤ 1.3 times", ratio <= 1.3))
    if large in rebuilds:
        ratio = rebuilds[large] / median(ways[large].seconds)
        what = f"Hugo's rebuild at {large:,}, to a story's median way"
        targets.append(Target(what, f"{ratio:.0f} times", "≥ 40 times", ratio >= 40))
    return targets
