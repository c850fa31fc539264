"""The bytes of a feed under each content-coding.

Pure: knows neither HTTP headers nor caches. The same bytes and coding give the same coded bytes.
"""

from typing import Literal

import brotli  # type: ignore[import-untyped]
import deflate
import zstandard

Coding = Literal["zstd", "br", "gzip", "identity"]

# Each version is encoded once and then served for minutes, but somebody waits for that once: of the levels
# under 10 ms on a 50-entry feed the smallest, unless the next one saves less than 1 % for half as long again.
# `make bench BENCH=encoding` says what each takes: zstd 10 7 ms (11: 13 ms for 4 %), br 8 5 ms (9: 15 ms for
# 1 %), gzip 7 4 ms (8: 5 ms for 1 %).
_ZSTD_LEVEL = 10
_BROTLI_QUALITY = 8
# libdeflate takes half of zlib's time for less than zlib's smallest. Its bytes follow from its version alone
# (https://github.com/ebiggers/libdeflate/issues/400), which comes with the package. Those of isal and zlib-ng
# follow from the processor too, and then two workers could send different bytes under one strong ETag
# (RFC 9110 §8.8.1); so do those of Python's zlib where the system has zlib-ng in its place.
_GZIP_LEVEL = 7


def encoded(body: bytes, coding: Coding) -> bytes:
    """`body` under `coding`; under identity it is the same object.

    zstd: the level's window is at most 4 MB, under the 8 MB that RFC 9659 §3 sets for HTTP. gzip: no
    time, and "unknown" for the system (RFC 1952 §2.3).
    """
    if coding == "zstd":
        # A copy: what the library gives keeps the memory of a whole feed behind its short length.
        return bytes(memoryview(zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)))
    if coding == "br":
        brotlied: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY)
        return brotlied
    if coding == "gzip":
        return bytes(deflate.gzip_compress(body, _GZIP_LEVEL))
    return body
