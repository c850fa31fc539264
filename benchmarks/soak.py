"""`soak`: whether anything grows while a service works for long, under a load that stays the same.

Knows which figures are to be flat, and within what; how they are taken is in `gauges`, the load in `soaking`.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks import corpus, running, soaking
from benchmarks.archives import Archives
from benchmarks.gauges import Sample, Service, slope
from benchmarks.results import Section, Table, Target
from benchmarks.running import HOST
from benchmarks.scale import Scale
from benchmarks.service import FEED, SITE, command

_CONFIG = """\
content = "content"

[feeds]
cache = "8MB"

[http]
workers = 2
cache = "8MB"

[content]
removals = "all"

[custom.top]
title = "Top stories"
exclude = {{ sections = ["sport"] }}
limit = 10

[partners.acme]
feeds = ["*"]
webhook = "{webhook}"
webhook_secret = "a secret for this run alone"
webhook_private = true
"""
_PARTNER = "acme"
_SAMPLES = 40
_SECONDS_A_PLACE = 30
"""Of the run, for each story that is changed in turn: five visits of all files take a sixth of it."""
_LEAST_BETWEEN = 3.0  # seconds
_WARM = 0.25  # share of the run that is not looked at: caches fill, and every place has been visited
_GROW_BY_LOAD = ("deliveries", "outbox")
"""Tables that a change adds to, until its retention is over: they are held to the number of changes."""
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure that is to stay: it may grow by so much in all, or by so large a share of itself."""

    name: str
    of: Callable[[Sample], float]
    unit: float
    words: str
    least: float
    share: float


@dataclass(frozen=True, slots=True)
class Growth:
    """How a figure changed after the warm-up: its median, its slope by hour, and over the whole span."""

    gauge: Gauge
    usual: float
    hourly: float
    grown: float

    @property
    def allowed(self) -> float:
        """How much it may have grown."""
        return max(self.gauge.least, self.gauge.share * self.usual)

    @property
    def is_flat(self) -> bool:
        """Whether it has not grown by more."""
        return self.grown <= self.allowed


def run(scale: Scale, archives: Archives) -> Section:
    """Load a service for long, and look at all that it holds every half minute."""
    section = Section("soak", f"{scale.soaked / 60:.0f} minutes under a steady load")
    folder = archives.empty_folder("soak")
    receiver = soaking.Receiver()
    try:
        samples, load = _soaked(folder, receiver, scale)
    finally:
        receiver.shutdown()
        receiver.server_close()
    warm = [one for one in samples if one.at >= _WARM * scale.soaked]
    growths = [_growth(gauge, warm) for gauge in _gauges(warm)]
    section.tables.append(_table(growths))
    section.tables.append(_answers(load, receiver))
    section.targets += _targets(growths, samples, load)
    section.how += _how(scale, len(samples))
    return section


def _soaked(folder: Path, receiver: soaking.Receiver, scale: Scale) -> tuple[list[Sample], soaking.Load]:
    content, temporary = folder / "content", folder / "temporary"
    temporary.mkdir()
    corpus.write(content, scale.served)
    places = int(scale.soaked / _SECONDS_A_PLACE)
    soaking.fill(content, places)
    config = folder / "config.toml"
    config.write_text(SITE + _CONFIG.format(webhook=receiver.url), "utf-8")
    port = running.free_port()
    arguments = [*command(), "serve", "--config", str(config), "--port", str(port)]
    environment = {"TMPDIR": str(temporary)}
    server = running.start(arguments, folder, port=port, ready=FEED, environment=environment, limit=120)
    try:
        cms, acme = _token(config, "cms", "--scope", "write"), _token(config, _PARTNER)
        soaking.push_all(port, cms, places)
        load = soaking.Load(port, content, places, cms, _PARTNER, acme)
        service = Service(server.pid, server.log, folder / "var" / "feedsvc.db", temporary)
        load.start()
        try:
            return _watched(service, scale.soaked), load
        finally:
            load.stop()
    finally:
        server.stop()


def _watched(service: Service, seconds: float) -> list[Sample]:
    between = max(_LEAST_BETWEEN, seconds / _SAMPLES)
    began = time.monotonic()
    samples = [service.sample(0.0)]
    while time.monotonic() - began < seconds:
        time.sleep(between)
        samples.append(service.sample(time.monotonic() - began))
    return samples


def _token(config: Path, name: str, *more: str) -> str:
    made = subprocess.run(
        [*command(), "token", "create", name, *more, "--config", str(config)],
        capture_output=True,
        text=True,
        check=True,
        cwd=config.parent,
    )
    return made.stdout.strip()


def _gauges(samples: Sequence[Sample]) -> list[Gauge]:
    """What is to be flat: processes and tables by name, as they were found."""
    processes = sorted({name for one in samples for name in one.memory})
    tables = sorted({name for one in samples for name in one.rows} - set(_GROW_BY_LOAD))
    return [
        *(Gauge(f"memory of {n}", _by(lambda s: s.memory, n), _MB, "MB", 4 * _MB, 0.05) for n in processes),
        *(Gauge(f"descriptors of {n}", _by(lambda s: s.descriptors, n), 1, "", 5, 0.1) for n in processes),
        *(Gauge(f"rows of {n}", _by(lambda s: s.rows, n), 1, "", 25, 0.03) for n in tables),
        Gauge("bytes beside the store", lambda s: s.store_bytes, _MB, "MB", 6 * _MB, 0.1),
        Gauge("files beside the store", lambda s: s.store_files, 1, "", 2, 0),
        Gauge("bytes of temporary files", lambda s: s.temporary_bytes, _MB, "MB", _MB, 0.1),
        Gauge("temporary files", lambda s: s.temporary_files, 1, "", 3, 0.1),
    ]


def _by(of: Callable[[Sample], dict[str, int]], name: str) -> Callable[[Sample], float]:
    return lambda sample: of(sample).get(name, 0)


def _growth(gauge: Gauge, samples: Sequence[Sample]) -> Growth:
    points = [(one.at, gauge.of(one)) for one in samples]
    rate = slope(points)
    usual = sorted(value for _, value in points)[len(points) // 2]
    return Growth(gauge, usual, rate * 3600, rate * (points[-1][0] - points[0][0]))


def _targets(growths: Sequence[Growth], samples: Sequence[Sample], load: soaking.Load) -> list[Target]:
    targets = []
    for kind in ("memory", "descriptors", "rows", "bytes", "files", "temporary files"):
        among = [one for one in growths if one.gauge.name.startswith(kind)]
        worst = max(among, key=lambda one: one.grown / one.allowed if one.allowed else one.grown)
        gauge = worst.gauge
        grown, allowed = (
            f"{value / gauge.unit:,.1f} {gauge.words}" for value in (worst.grown, worst.allowed)
        )
        what = f"Soak: growth of {kind}, the worst ({gauge.name})"
        targets.append(Target(what, grown.strip(), f"≤ {allowed.strip()}", all(one.is_flat for one in among)))
    targets.append(_log_target(samples))
    first, last = samples[0].rows, samples[-1].rows
    for table in _GROW_BY_LOAD:
        each = (last.get(table, 0) - first.get(table, 0)) / max(1, load.versions)
        what = f"Soak: rows of {table} for each version of a story"
        targets.append(Target(what, f"{each:.2f}", "≤ 2", each <= 2))
    targets.append(
        Target("Soak: answers that are none of the expected", f"{load.failures}", "0", not load.failures)
    )
    return targets


def _log_target(samples: Sequence[Sample]) -> Target:
    """The log grows as long as anything happens: its rate is to stay."""
    warm = samples[len(samples) // 4 :]
    rates = [
        (later.at, (later.log_bytes - earlier.log_bytes) / (later.at - earlier.at))
        for earlier, later in pairwise(warm)
    ]
    usual = sorted(rate for _, rate in rates)[len(rates) // 2]
    grown = slope(rates) * (rates[-1][0] - rates[0][0])
    what = "Soak: growth of the log's bytes a second"
    return Target(what, f"{grown:,.0f} at {usual:,.0f}", "≤ 20 % or 200", grown <= max(200, 0.2 * usual))


def _table(growths: Sequence[Growth]) -> Table:
    rows = [
        (
            one.gauge.name,
            f"{one.usual / one.gauge.unit:,.1f} {one.gauge.words}".strip(),
            f"{one.hourly / one.gauge.unit:+,.2f}",
            f"{one.grown / one.gauge.unit:+,.2f}",
            f"{one.allowed / one.gauge.unit:,.1f}",
            "yes" if one.is_flat else "**no**",
        )
        for one in growths
    ]
    return Table("", ("", "median", "slope, an hour", "over the span", "allowed", "flat"), rows)


def _answers(load: soaking.Load, receiver: soaking.Receiver) -> Table:
    rows = [(name, f"{number:,}") for name, number in sorted(load.counts.items())]
    return Table(
        "Answers by status; 0 is none", ("", "number"), [*rows, ("notices", f"{receiver.received:,}")]
    )


def _how(scale: Scale, samples: int) -> list[str]:
    places = 3 * int(scale.soaked / _SECONDS_A_PLACE)
    return [
        f"`feedsvc serve` with two workers on SQLite, at {HOST}: {scale.served} stories of the corpus, and "
        f"{places} that are changed in turn, so that their number stays. A second: "
        f"{soaking.PUSHES_A_SECOND:g} pushes (a fifth withdraws, a fifth expires in 20 s), "
        f"{soaking.FILES_A_SECOND:g} file, {soaking.POLLS_A_SECOND:g} polls with a User-Agent and a "
        f"connection each, {soaking.PARTNERS_A_SECOND:g} of a partner's, {soaking.PAGES_A_SECOND:g} pages; a "
        f"batch of {soaking.STORIES_A_BATCH} every {soaking.BATCH_EVERY:g} s; a webhook that refuses every "
        "tenth notice. `feeds.cache` and `http.cache` are 8 MB, so that they are full early.",
        f"{samples} samples. The slope is the median of those between all pairs after the first quarter; a "
        "figure is flat if by it it grew by no more than what is allowed, over the rest of the run.",
        "`deliveries` and `outbox` have a line for each version that a partner received, or was told of, "
        "until their retention ends, which is months: they are held to the number of versions, each of "
        "which may be recalled once.",
    ]
