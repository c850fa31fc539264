"""`load`: a whole archive into every feed, a start with nothing changed, and a look for what changed.

Knows commands and what they cost.
"""

import time
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.archives import Archives
from benchmarks.measuring import Cost, Memory, median
from benchmarks.peers import hugo, pelican_site
from benchmarks.results import Section, Table, Target
from benchmarks.scale import Scale
from benchmarks.service import Site

_LOADS = 3
_STARTS = 5
_SCANS = 5


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a first load took: `seconds` alone, `peak` in a run of its own."""

    seconds: float
    peak: Memory


@dataclass(frozen=True, slots=True)
class Again:
    """Seconds from a start to the first response, and CPU seconds of a look through the archive."""

    restart: float
    scan_cpu: float


def run(scale: Scale, archives: Archives) -> Section:
    """Load each archive with each peer."""
    section = Section("load", "a whole archive")
    nothing = _nothing(archives)
    ours: dict[int, Loaded] = {}
    again: dict[int, Again] = {}
    hugos: dict[int, Loaded] = {}
    has_hugo = machine.has(hugo.COMMAND)
    if not has_hugo:
        section.missing.append("Hugo: no `hugo` on the path")
    for size in scale.loads:
        peer = _hugo_site(archives, size) if has_hugo and size in scale.hugo else None
        ours[size], theirs = _load(archives, size, peer)
        if theirs:
            hugos[size] = theirs
        again[size] = _again(archives.site(size), nothing)
    pelicans = _pelican(scale, archives, section)
    section.tables.append(_loads_table(ours, hugos, pelicans))
    section.tables.append(_again_table(again))
    section.targets += _targets(ours, hugos, again)
    section.how += [
        "feedsvc publishes three formats (`feedsvc refresh` on an empty store), Hugo and Pelican one "
        "(RSS), of the same stories, with full text, 50 to a feed, and no page for people. The stories' "
        "files were read before. Seconds of feedsvc and Hugo: the median of "
        f"{_LOADS} loads each, in turns.",
        "Memory is the most that all processes together held, sampled every 50 ms in a run of its own, "
        "for reading page tables so often slows a process of gigabytes. PSS counts a page that processes "
        "share once.",
        "Pelican has beats as categories and no sections above them.",
        "Restart: from the start of `feedsvc serve` on the loaded store to the first 200, the median of "
        f"{_STARTS}. Quiet scan: user and system time of a `feedsvc refresh` that finds nothing changed, "
        f"less that of one with no stories at all; the median of {_SCANS} pairs.",
    ]
    return section


def _load(archives: Archives, size: int, peer: hugo.HugoSite | None) -> tuple[Loaded, Loaded | None]:
    """Ours, and Hugo's if it is there: in turns, so that a machine that is slower for a while is for both."""
    peak = archives.empty_site(size, "-memory").refresh(with_memory=True).peak
    its_peak = peer.build(anew=True, with_memory=True).peak if peer else None
    seconds: list[float] = []
    its_seconds: list[float] = []
    for _ in range(_LOADS):
        site = archives.empty_site(size)
        seconds.append(site.refresh().seconds)
        if peer:
            its_seconds.append(peer.build(anew=True).seconds)
    archives.mark_loaded(site)
    return Loaded(median(seconds), peak), Loaded(median(its_seconds), its_peak) if its_peak else None


def _hugo_site(archives: Archives, size: int) -> hugo.HugoSite:
    return hugo.HugoSite(archives.empty_folder(f"hugo-{size}"), archives.content(size))


def _again(site: Site, nothing: Site) -> Again:
    # In turns, so that a machine that is slower for a while is so for both.
    more = [site.refresh().cpu_seconds - nothing.refresh().cpu_seconds for _ in range(_SCANS)]
    return Again(median([_restart(site) for _ in range(_STARTS)]), max(0.0, median(more)))


def _restart(site: Site) -> float:
    began = time.perf_counter()
    server = site.serve()
    seconds = time.perf_counter() - began
    server.stop()
    return seconds


def _nothing(archives: Archives) -> Site:
    """A site with no stories: what a refresh of it costs is what starting costs."""
    folder = archives.empty_folder("nothing")
    (folder / "content").mkdir()
    site = Site(folder, folder / "content")
    site.refresh()
    return site


def _pelican(scale: Scale, archives: Archives, section: Section) -> dict[int, Loaded]:
    if not pelican_site.is_installed():
        section.missing.append("Pelican: not installed")
        return {}
    found = {}
    for size in scale.pelican:
        site = pelican_site.PelicanSite(archives.empty_folder(f"pelican-{size}"), archives.content(size))
        found[size] = _both(site.build(with_memory=True), site.build())
    return found


def _both(with_memory: Cost, alone: Cost) -> Loaded:
    return Loaded(alone.seconds, with_memory.peak)


def _loads_table(ours: dict[int, Loaded], hugos: dict[int, Loaded], pelicans: dict[int, Loaded]) -> Table:
    rows = []
    for size in sorted({*ours, *hugos, *pelicans}):
        for name, found in (("feedsvc", ours), ("Hugo", hugos), ("Pelican", pelicans)):
            if size in found:
                rows.append((f"{size:,}, {name}", *_figures(found[size], ours.get(size))))
    columns = ("first load of", "seconds", "peak PSS, MB", "peak RSS, MB", "× feedsvc's time", "× its memory")
    return Table("", columns, rows)


def _figures(one: Loaded, to: Loaded | None) -> tuple[str, ...]:
    pss = f"{one.peak.pss / 1e6:,.0f}" if one.peak.pss else "may not be read"
    ratios = (one.seconds / to.seconds, _held(one) / _held(to)) if to else ()
    return (f"{one.seconds:.1f}", pss, f"{one.peak.rss / 1e6:,.0f}", *(f"{ratio:.2f}" for ratio in ratios))


def _held(one: Loaded) -> int:
    return one.peak.pss or one.peak.rss


def _again_table(again: dict[int, Again]) -> Table:
    rows = [(f"{size:,}", f"{one.restart:.2f}", f"{one.scan_cpu:.2f}") for size, one in again.items()]
    return Table("", ("nothing changed", "restart to first response, s", "quiet scan, CPU s"), rows)


def _targets(ours: dict[int, Loaded], hugos: dict[int, Loaded], again: dict[int, Again]) -> list[Target]:
    large = max(size for size in ours if size <= 100_000)
    one = ours[large]
    targets = []
    if large in hugos:
        ratio = one.seconds / hugos[large].seconds
        measured = f"{ratio:.2f} times ({one.seconds:.1f} s to {hugos[large].seconds:.1f} s)"
        what = f"First load of {large:,} stories, to Hugo's time"
        targets.append(Target(what, measured, "≤ 1 times", ratio <= 1))
    held = _held(one) / 1e6
    targets.append(Target(f"Its peak memory at {large:,}", f"{held:,.0f} MB", "< 400 MB", held < 400))
    restart, scan = again[large].restart, again[large].scan_cpu
    what = f"Restart to first response at {large:,}"
    targets.append(Target(what, f"{restart:.2f} s", "< 2 s", restart < 2))
    targets.append(Target(f"CPU of a quiet scan of {large:,}", f"{scan:.2f} s", "< 1 s", scan < 1))
    return targets
