"""`encoding`: bytes and milliseconds of a 50-entry feed under each library and level that could encode it.

Knows the libraries, and of feedsvc only how it encodes itself.
"""

import time
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import brotli
import deflate
import zstandard

from benchmarks.archives import Archives
from benchmarks.measuring import median
from benchmarks.polling import Reader
from benchmarks.results import Section, Table, Target
from benchmarks.scale import Scale
from benchmarks.service import FEED
from feedsvc.web.feeds.encoding import Coding, encoded

_TIMES = 5
"""How often a feed is encoded in a round. The quickest counts: what slows the others is not the code."""
_MOST_MS = 10
_RAW_DEFLATE = -15
_CODINGS: tuple[Coding, ...] = ("zstd", "br", "gzip")

Encode = Callable[[bytes], bytes | bytearray]


class Way(NamedTuple):
    """One way to make a coding: a library at a level."""

    coding: Coding
    name: str
    encode: Encode


def run(scale: Scale, archives: Archives) -> Section:
    """Encode one feed in every way, in each of several rounds."""
    section = Section("encoding", "a feed of 50 entries under each content-coding")
    feed = _feed(scale, archives)
    ways = [*_feedsvc(), *_ways(section)]
    taken: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(scale.rounds):
        for way in ways:
            taken[way.name].append(min(_milliseconds(way.encode, feed) for _ in range(_TIMES)))
    for coding in _CODINGS:
        rows = [
            (way.name, f"{median(taken[way.name]):.2f}", f"{len(way.encode(feed)):,}")
            for way in ways
            if way.coding == coding
        ]
        section.tables.append(Table("", (coding, "ms", "bytes"), rows))
    slowest = max(median(taken[way.name]) for way in _feedsvc())
    section.targets.append(
        Target(
            "Encoding a feed after a change, the slowest coding",
            f"{slowest:.1f} ms",
            f"\u2264 {_MOST_MS} ms",
            slowest <= _MOST_MS,
        )
    )
    section.how.append(
        f"An RSS feed of {len(feed):,} bytes as feedsvc serves it; medians of {scale.rounds} rounds of the "
        f"quickest of {_TIMES}."
    )
    return section


def _feed(scale: Scale, archives: Archives) -> bytes:
    server = archives.site(scale.served).serve()
    try:
        reader = Reader(server.port, FEED)
        try:
            reader.poll()
            return reader.body
        finally:
            reader.close()
    finally:
        server.stop()


def _milliseconds(encode: Encode, feed: bytes) -> float:
    began = time.perf_counter()
    encode(feed)
    return (time.perf_counter() - began) * 1e3


def _feedsvc() -> Iterator[Way]:
    for coding in _CODINGS:
        yield Way(coding, f"feedsvc: {coding}", lambda body, coding=coding: encoded(body, coding))  # type: ignore[misc]


def _ways(section: Section) -> Iterator[Way]:
    for level in (3, 6, 9, 10, 11, 12, 15):
        yield Way("zstd", f"zstandard {level}", zstandard.ZstdCompressor(level=level).compress)
    for level in (5, 6, 7, 8, 9, 10):
        yield Way("br", f"brotli {level}", _brotli(level))
    for level in (5, 6, 7, 8, 9):
        yield Way("gzip", f"libdeflate {level}", _libdeflate(level))
    for level in (5, 6, 7, 9):
        yield Way("gzip", f"zlib {level}", _deflating(zlib, level))
    for package, module, levels in (
        ("zlib-ng", "zlib_ng.zlib_ng", (5, 6, 7, 9)),
        ("isal", "isal.isal_zlib", (0, 1, 2, 3)),
    ):
        if find_spec(module.partition(".")[0]) is None:
            section.missing.append(f"{package}: not installed")
            continue
        for level in levels:
            yield Way("gzip", f"{package} {level}", _deflating(import_module(module), level))


def _brotli(quality: int) -> Encode:
    return lambda body: brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality)


def _libdeflate(level: int) -> Encode:
    return lambda body: deflate.deflate_compress(body, level)


def _deflating(library: Any, level: int) -> Encode:
    """By any library with zlib's interface."""

    def encode(body: bytes) -> bytes:
        compressor = library.compressobj(level, zlib.DEFLATED, _RAW_DEFLATE)
        made: bytes = compressor.compress(body) + compressor.flush()
        return made

    return encode
