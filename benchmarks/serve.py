"""`serve`: polls of one feed, in every way that clients poll, beside what else could serve the same bytes.

Knows rates and latencies, and nothing of how a contestant is started.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks import contestants, machine, polls
from benchmarks.archives import Archives
from benchmarks.contestants import DJANGO, FEEDSVC, FLASK_GUNICORN, NGINX, Contestant
from benchmarks.measuring import median
from benchmarks.openloop import CONNECTIONS as LATENCY_CONNECTIONS
from benchmarks.openloop import Latency
from benchmarks.polls import KINDS, KNOWN, Kind, Rate
from benchmarks.results import Section, Table, Target
from benchmarks.running import ROOT, on_cores
from benchmarks.scale import Scale
from benchmarks.service import FEED

_WARM_UP_SECONDS = 1.0
_OF_MAXIMUM = 0.4
_FASTEST_GENERATOR = 30_000
"""Requests a second that the open-loop generator sends in time; at 50,000 it is late itself."""
_BESIDE_PAGES = 2_000
_PAGE_READERS = 4
_WANTED: dict[Kind, float] = {
    KNOWN: 0.8,
    polls.FULL: 0.8,
    polls.ANOTHER: 0.7,
    polls.NEW: 0.8,
    polls.NEW_FULL: 0.8,
    polls.NEW_ANOTHER: 0.7,
    polls.TLS_NEW: 0.7,
}
"""The least share of nginx's rate."""
_AS_CHEAP = (polls.ENCODED, polls.QUERY, polls.HEAD)


class Cores(NamedTuple):
    """Where the servers run, and where the load comes from; None is anywhere."""

    server: set[int] | None
    load: set[int] | None


@dataclass(slots=True)
class _Measured:
    """Of one contestant, by kind of request."""

    rates: dict[Kind, list[Rate]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    latencies: list[Latency] = field(default_factory=list)
    beside_pages: list[Latency] = field(default_factory=list)

    def a_second(self, kind: Kind) -> float:
        return median([rate.a_second for rate in self.rates[kind]])

    def cpu(self, kind: Kind) -> float:
        return median([rate.cpu_microseconds for rate in self.rates[kind]])


def run(scale: Scale, archives: Archives) -> Section:
    """Measure every contestant in each of several rounds."""
    section = Section("serve", "polls of a feed of 50 entries")
    if not machine.has("wrk"):
        section.missing.append("everything: no `wrk` on the path")
        return section
    cores = _cores()
    site = archives.site(scale.served)
    with contestants.all_of_them(archives, site, cores.server, cores.load) as (found, missing):
        section.missing += missing
        measured = {one.name: _Measured() for one in found}
        for number in range(scale.rounds):
            # One kind after another: what is compared is measured within seconds.
            for kind in KINDS:
                for one in _rotated(found, number):
                    _measure(one, kind, measured[one.name], cores, scale.seconds, warm_up=number == 0)
        rate = _rate_for_latency(measured)
        pair = [one for one in found if one.name in (FEEDSVC, NGINX)]
        for number in range(scale.rounds):
            for one in _rotated(pair, number):
                measured[one.name].latencies.append(_latency(one, rate, cores, scale.seconds))
            measured[FEEDSVC].beside_pages.append(_beside_pages(pair[0], cores, scale.seconds))
    _report(section, measured, rate, cores, scale)
    return section


def _cores() -> Cores:
    """One core for the server and another for the load, so that neither takes what the other needs."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores({usable[0]}, {usable[-1]}) if len(usable) > 1 else Cores(None, None)


def _rotated(found: Sequence[Contestant], number: int) -> list[Contestant]:
    """Another one first in each round, so that none is always measured after the same one."""
    at = number % len(found)
    return [*found[at:], *found[:at]]


def _measure(
    one: Contestant, kind: Kind, into: _Measured, cores: Cores, seconds: float, warm_up: bool
) -> None:
    if kind.by not in one.ways or not (kind.for_all or one.name in (FEEDSVC, NGINX)):
        return
    port, pid = one.ways[kind.by]
    if warm_up:
        polls.wrk(kind, port, pid, one.etag, cores.load, _WARM_UP_SECONDS)
    into.rates[kind].append(polls.wrk(kind, port, pid, one.etag, cores.load, seconds))


def _rate_for_latency(measured: dict[str, _Measured]) -> int:
    slower = min(measured[name].a_second(KNOWN) for name in (FEEDSVC, NGINX) if name in measured)
    return min(_FASTEST_GENERATOR, int(slower * _OF_MAXIMUM) // 1000 * 1000 or 500)


def _latency(one: Contestant, rate: int, cores: Cores, seconds: float) -> Latency:
    time.sleep(0.2)  # what the last one left behind is over
    arguments = [str(one.server.port), FEED, one.etag, str(rate), str(seconds)]
    with on_cores(cores.load):
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.openloop", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=True,
        )
    return Latency(**json.loads(ran.stdout))


def _beside_pages(one: Contestant, cores: Cores, seconds: float) -> Latency:
    """Polls while others look at the front page, one view after another."""
    command = ["wrk", "--threads", "1", "--connections", str(_PAGE_READERS)]
    command += ["--duration", f"{seconds + 2:.0f}s", one.server.url("/")]
    with on_cores(cores.load):
        pages = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        return _latency(one, _BESIDE_PAGES, cores, seconds)
    finally:
        pages.terminate()
        pages.wait()


def _report(section: Section, measured: dict[str, _Measured], rate: int, cores: Cores, scale: Scale) -> None:
    gunicorn = [name for name in measured if name.startswith(FLASK_GUNICORN)]
    flask = max(gunicorn, key=lambda name: measured[name].a_second(KNOWN), default="")
    for kind in (kind for kind in KINDS if kind.for_all):
        section.tables.append(_rates_table(measured, kind, flask))
    if NGINX in measured:
        section.tables.append(_ways_table(measured[FEEDSVC], measured[NGINX]))
    section.tables.append(_latency_table(measured, rate))
    section.targets += _rate_targets(measured, flask)
    section.targets += _latency_targets(measured, rate)
    where = "each server on one core, wrk on another" if cores.server else "servers and wrk share one core"
    section.how += [
        f"Medians of {scale.rounds} rounds of {scale.seconds:.0f} s, all contestants in turn for each kind "
        f"in each round; wrk with 1 thread and {polls.CONNECTIONS} connections; {where}; one worker each, 4 "
        "threads where there are any.",
        "nginx, and both Flask views, serve the very bytes that feedsvc serves, compressed beforehand. "
        "Each was seen to answer 200 with them and 304 to its own ETag before it was measured.",
        "Requests of a contestant are the same over and over, as one reader's are until the feed changes; "
        "those that are each another have a User-Agent of their own, every one, so that none is met again "
        "byte for byte. With a new connection each the request says `Connection: close`.",
        "Through nginx's default proxy_pass requests come as HTTP/1.0 with a connection each; that nginx "
        "runs beside wrk, so the rate is also its own, and the CPU that of the server behind it alone.",
        "CPU is that of all processes of the server, feedsvc's refresher too. A server that was not busy all "
        "the time could have done more: it waited for wrk, or another process had its core.",
        "A sync worker of gunicorn closes each connection; gthread keeps it. Ratios are to the faster.",
        f"Latency: {LATENCY_CONNECTIONS} connections, conditional GETs at a fixed rate, {_OF_MAXIMUM} of "
        f"the slower one's maximum and at most {_FASTEST_GENERATOR:,} a second. wrk has no fixed rate, so "
        "the requests are sent by `benchmarks/openloop.py`, and timed from the instant they were due, so "
        "that waits behind a slow answer count. How late they were sent is the generator's own share.",
    ]


def _rates_table(measured: dict[str, _Measured], kind: Kind, flask: str) -> Table:
    told = {name: one for name, one in measured.items() if one.rates[kind]}
    columns = [f"{kind.name} GET", "a second", "µs of CPU each", "of its core"]
    columns += [f"× {name}" for name in (NGINX, flask) if name in told]
    rows = []
    for name, one in told.items():
        busy = f"{one.a_second(kind) * one.cpu(kind) / 1e6:.0%}"
        row = [name, f"{one.a_second(kind):,.0f}", f"{one.cpu(kind):.1f}", busy]
        row += [f"{one.a_second(kind) / told[to].a_second(kind):.2f}" for to in (NGINX, flask) if to in told]
        rows.append(tuple(row))
    return Table("", tuple(columns), rows)


def _ways_table(ours: _Measured, nginxs: _Measured) -> Table:
    rows = []
    for kind in KINDS:
        if ours.rates[kind] and nginxs.rates[kind]:
            ratio = ours.a_second(kind) / nginxs.a_second(kind)
            rates = (f"{ours.a_second(kind):,.0f}", f"{nginxs.a_second(kind):,.0f}", f"{ratio:.2f}")
            rows.append((kind.name, *rates, f"{ours.cpu(kind):.1f}", f"{nginxs.cpu(kind):.1f}"))
    columns = ("", "a second", "nginx's", "× nginx", "µs of CPU each", "nginx's")
    return Table("Every way to poll, beside nginx with static files", columns, rows)


def _latency_table(measured: dict[str, _Measured], rate: int) -> Table:
    rows = []
    told = {f"{name}, {rate:,} a second": one.latencies for name, one in measured.items() if one.latencies}
    for name, one in measured.items():
        if one.beside_pages:
            told[f"{name}, beside {_PAGE_READERS} readers of pages"] = one.beside_pages
    for name, latencies in told.items():
        columns = zip(*latencies, strict=True)
        rows.append((name, *(f"{median(list(column)):,.0f}" for column in columns)))
    return Table(
        "Latency of conditional GETs in µs",
        ("", "a second", "median", "99th percentile", "sent late by: median", "99th percentile"),
        rows,
    )


def _rate_targets(measured: dict[str, _Measured], flask: str) -> list[Target]:
    ours = measured[FEEDSVC]
    targets = []
    if NGINX in measured:
        nginxs = measured[NGINX]
        for kind, wanted in _WANTED.items():
            ratio = ours.a_second(kind) / nginxs.a_second(kind)
            what = f"{kind.name.capitalize()}, one worker, to nginx's rate"
            targets.append(Target(what, f"{ratio:.2f}", f"≥ {wanted}", ratio >= wanted))
    for kind in _AS_CHEAP:
        ratio = ours.cpu(kind) / ours.cpu(KNOWN)
        what = f"{kind.name.capitalize()}, CPU to that of the plain path"
        targets.append(Target(what, f"{ratio:.2f} times", "≤ 1.2 times", ratio <= 1.2))
    if flask:
        ratio = ours.a_second(KNOWN) / measured[flask].a_second(KNOWN)
        what = "Conditional GETs, to a plain Flask view on gunicorn"
        targets.append(Target(what, f"{ratio:.1f} times", "≥ 10 times", ratio >= 10))
    if DJANGO in measured:
        ratio = ours.a_second(KNOWN) / measured[DJANGO].a_second(KNOWN)
        what = "Conditional GETs, to Django's syndication with its cache"
        targets.append(Target(what, f"{ratio:.0f} times"))
    return targets


def _latency_targets(measured: dict[str, _Measured], rate: int) -> list[Target]:
    if NGINX not in measured:
        return []
    ours, theirs = (median([one.p99 for one in measured[name].latencies]) for name in (FEEDSVC, NGINX))
    what = f"99th percentile of latency at {rate:,} a second, to nginx's"
    measure = f"{ours / theirs:.1f} times ({ours:,.0f} µs to {theirs:,.0f} µs)"
    return [Target(what, measure, "≤ 3 times", ours <= 3 * theirs)]
