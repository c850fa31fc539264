"""`serve`: polls of one feed, with and without its ETag, beside what else could serve the same bytes.

Knows rates and latencies, and nothing of how a contestant is started.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks import contestants, machine
from benchmarks.archives import Archives
from benchmarks.contestants import DJANGO, FEEDSVC, FLASK_GUNICORN, NGINX, READY_GRANIAN, Contestant
from benchmarks.measuring import cpu_seconds, median
from benchmarks.openloop import CONNECTIONS as LATENCY_CONNECTIONS
from benchmarks.openloop import Latency
from benchmarks.results import Section, Table, Target
from benchmarks.running import ROOT, on_cores
from benchmarks.scale import Scale
from benchmarks.service import FEED

_CONNECTIONS = 32
_WARM_UP_SECONDS = 1.0
_OF_MAXIMUM = 0.4
_FASTEST_GENERATOR = 30_000
"""Requests a second that the open-loop generator sends in time; at 50,000 it is late itself."""
_CONDITIONAL, _FULL, _EACH_ANOTHER = "conditional", "full gzip", "conditional, each another,"
_KINDS = (_CONDITIONAL, _FULL, _EACH_ANOTHER)
_QUICK = (FEEDSVC, NGINX, READY_GRANIAN)
"""Those for which it might matter whether requests are the same over and over."""


class WrkError(Exception):
    """wrk did not count what it was to count."""


class Rate(NamedTuple):
    """Responses a second, and the CPU microseconds of the server's processes for each."""

    a_second: float
    cpu_microseconds: float


class Cores(NamedTuple):
    """Where the servers run, and where the load comes from; None is anywhere."""

    server: set[int] | None
    load: set[int] | None


@dataclass(slots=True)
class _Measured:
    """Of one contestant, by kind of request."""

    rates: dict[str, list[Rate]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})
    latencies: list[Latency] = field(default_factory=list)

    def a_second(self, kind: str) -> float:
        return median([rate.a_second for rate in self.rates[kind]])

    def cpu(self, kind: str) -> float:
        return median([rate.cpu_microseconds for rate in self.rates[kind]])


def run(scale: Scale, archives: Archives) -> Section:
    """Measure every contestant in each of several rounds."""
    section = Section("serve", "polls of a feed of 50 entries")
    if not machine.has("wrk"):
        section.missing.append("everything: no `wrk` on the path")
        return section
    cores = _cores()
    with contestants.all_of_them(archives, archives.site(scale.served), cores.server) as (found, missing):
        section.missing += missing
        measured = {one.name: _Measured() for one in found}
        for number in range(scale.rounds):
            for one in _rotated(found, number):
                _measure_rates(one, measured[one.name], cores, scale.seconds, warm_up=number == 0)
        rate = _rate_for_latency(measured)
        pair = [one for one in found if one.name in (FEEDSVC, NGINX)]
        for number in range(scale.rounds):
            for one in _rotated(pair, number):
                measured[one.name].latencies.append(_latency(one, rate, cores, scale.seconds))
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


def _measure_rates(one: Contestant, into: _Measured, cores: Cores, seconds: float, warm_up: bool) -> None:
    for kind in _KINDS if one.name in _QUICK else (_CONDITIONAL, _FULL):
        if warm_up:
            _wrk(one, kind, cores, _WARM_UP_SECONDS)
        into.rates[kind].append(_wrk(one, kind, cores, seconds))


def _wrk(one: Contestant, kind: str, cores: Cores, seconds: float) -> Rate:
    command = ["wrk", "--threads", "1", "--connections", str(_CONNECTIONS), "--duration", f"{seconds:.0f}s"]
    command += ["--header", "Accept-Encoding: gzip"]
    if kind == _EACH_ANOTHER:
        command += ["--script", str(ROOT / "benchmarks" / "each_another.lua")]
    if kind != _FULL:
        command += ["--header", f"If-None-Match: {one.etag}"]
    before = cpu_seconds(one.server.pid)
    with on_cores(cores.load):
        ran = subprocess.run(
            [*command, one.server.url(FEED)], capture_output=True, text=True, timeout=seconds + 30, check=True
        )
    used = cpu_seconds(one.server.pid) - before
    counted = re.search(r"(\d+) requests in", ran.stdout)
    a_second = re.search(r"Requests/sec:\s*([\d.]+)", ran.stdout)
    wrong = re.search(r"Non-2xx or 3xx responses.*|Socket errors: .*", ran.stdout)
    if not (counted and a_second and int(counted[1])) or wrong:
        raise WrkError(f"{one.name}, {kind}: {wrong.group() if wrong else ran.stdout}")
    return Rate(float(a_second[1]), used / int(counted[1]) * 1e6)


def _rate_for_latency(measured: dict[str, _Measured]) -> int:
    slower = min(measured[name].a_second(_CONDITIONAL) for name in (FEEDSVC, NGINX) if name in measured)
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


def _report(section: Section, measured: dict[str, _Measured], rate: int, cores: Cores, scale: Scale) -> None:
    gunicorn = [name for name in measured if name.startswith(FLASK_GUNICORN)]
    flask = max(gunicorn, key=lambda name: measured[name].a_second(_CONDITIONAL), default="")
    for kind in _KINDS:
        told = {name: one for name, one in measured.items() if one.rates[kind]}
        section.tables.append(_rates_table(told, kind, flask))
    section.tables.append(_latency_table(measured, rate))
    section.targets += _rate_targets(measured, flask)
    section.targets += _latency_targets(measured, rate)
    where = "each server on one core, wrk on another" if cores.server else "servers and wrk share one core"
    section.how += [
        f"Medians of {scale.rounds} rounds of {scale.seconds:.0f} s, all contestants in turn in each "
        f"round; wrk with 1 thread and {_CONNECTIONS} connections; {where}; one worker each, 4 threads "
        "where there are any.",
        "nginx, and both Flask views, serve the very bytes that feedsvc serves, compressed beforehand. "
        "Each was seen to answer 200 with them and 304 to its own ETag before it was measured. One ready "
        "answer is the most that a WSGI application can have of Granian; feedsvc answers polls before it.",
        "Requests of a contestant are the same over and over, as one reader's are until the feed changes; "
        "those that are each another have a User-Agent of their own, every one, so that none is met again.",
        "CPU is that of all processes of the server, feedsvc's refresher too. A server that was not busy all "
        "the time could have done more: it waited for wrk, or another process had its core.",
        "A sync worker of gunicorn closes each connection; gthread keeps it. Ratios are to the faster.",
        f"Latency: {LATENCY_CONNECTIONS} connections, conditional GETs at a fixed rate, {_OF_MAXIMUM} of "
        f"the slower one's maximum and at most {_FASTEST_GENERATOR:,} a second. wrk has no fixed rate, so "
        "the requests are sent by `benchmarks/openloop.py`, and timed from the instant they were due, so "
        "that waits behind a slow answer count. How late they were sent is the generator's own share.",
    ]


def _rates_table(measured: dict[str, _Measured], kind: str, flask: str) -> Table:
    columns = [f"{kind} GET", "a second", "µs of CPU each", "of its core"]
    columns += [f"× {name}" for name in (NGINX, flask) if name in measured]
    rows = []
    for name, one in measured.items():
        row = [name, f"{one.a_second(kind):,.0f}", f"{one.cpu(kind):.1f}", _busy(one, kind)]
        row += [_ratio(measured, name, to, kind) for to in (NGINX, flask) if to in measured]
        rows.append(tuple(row))
    return Table("", tuple(columns), rows)


def _busy(one: _Measured, kind: str) -> str:
    return f"{one.a_second(kind) * one.cpu(kind) / 1e6:.0%}"


def _ratio(measured: dict[str, _Measured], name: str, to: str, kind: str) -> str:
    return f"{measured[name].a_second(kind) / measured[to].a_second(kind):.2f}"


def _latency_table(measured: dict[str, _Measured], rate: int) -> Table:
    rows = []
    for name, one in measured.items():
        if one.latencies:
            columns = zip(*one.latencies, strict=True)
            rows.append((name, *(f"{median(list(column)):,.0f}" for column in columns)))
    return Table(
        f"Latency in µs at {rate:,} conditional GETs a second",
        ("", "a second", "median", "99th percentile", "sent late by: median", "99th percentile"),
        rows,
    )


def _rate_targets(measured: dict[str, _Measured], flask: str) -> list[Target]:
    feedsvc = measured[FEEDSVC]
    targets = []
    if NGINX in measured:
        for kind in (_CONDITIONAL, _FULL):
            ratio = feedsvc.a_second(kind) / measured[NGINX].a_second(kind)
            what = f"{kind.capitalize()} GETs, one worker, to nginx's rate"
            targets.append(Target(what, f"{ratio:.2f}", "≥ 0.5 (aim: 0.8)", ratio >= 0.5))
        ratio = feedsvc.a_second(_EACH_ANOTHER) / measured[NGINX].a_second(_EACH_ANOTHER)
        targets.append(Target("Conditional GETs, each another, to nginx's rate", f"{ratio:.2f}"))
    if READY_GRANIAN in measured:
        ratio = feedsvc.a_second(_CONDITIONAL) / measured[READY_GRANIAN].a_second(_CONDITIONAL)
        targets.append(Target("Conditional GETs, to one ready answer by WSGI on its server", f"{ratio:.2f}"))
    if flask:
        ratio = feedsvc.a_second(_CONDITIONAL) / measured[flask].a_second(_CONDITIONAL)
        what = "Conditional GETs, to a plain Flask view on gunicorn"
        targets.append(Target(what, f"{ratio:.1f} times", "≥ 10 times", ratio >= 10))
    if DJANGO in measured:
        ratio = feedsvc.a_second(_CONDITIONAL) / measured[DJANGO].a_second(_CONDITIONAL)
        targets.append(
            Target("Conditional GETs, to Django's syndication with its cache", f"{ratio:.0f} times")
        )
    return targets


def _latency_targets(measured: dict[str, _Measured], rate: int) -> list[Target]:
    if NGINX not in measured:
        return []
    ours, theirs = (median([one.p99 for one in measured[name].latencies]) for name in (FEEDSVC, NGINX))
    what = f"99th percentile of latency at {rate:,} a second, to nginx's"
    measure = f"{ours / theirs:.1f} times ({ours:,.0f} µs to {theirs:,.0f} µs)"
    return [Target(what, measure, "≤ 5 times", ours <= 5 * theirs)]
