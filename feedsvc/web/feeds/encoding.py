"""Encodes a feed's bytes under each content-coding.

Pure: knows neither HTTP headers nor caches. The same bytes and coding give the same coded bytes.
"""

from typing import Literal

import brotli  # type: ignore[import-untyped]
import deflate
import zstandard

Coding = Literal["zstd", "br", "gzip", "identity"]

# Each version is encoded once and then served for minutes, but one request waits for that. So: of the levels
# that take under 10 ms for a 50-entry feed, the one with the smallest result, unless it takes half as long
# again as the level below to save less than 1 %. `make bench BENCH=encoding` measures: zstd 10 takes 7 ms
# (11: 13 ms, 4 % smaller), br 8 takes 5 ms (9: 15 ms, 1 % smaller), gzip 7 takes 4 ms (8: 5 ms, 1 % smaller).
_ZSTD_LEVEL = 10
_BROTLI_QUALITY = 8
# libdeflate takes half of zlib's time, for less than zlib's smallest output. Its output depends only on its
# version (https://github.com/ebiggers/libdeflate/issues/400), which comes with the package. The output of
# isal and zlib-ng depends on the processor, too, so that two workers could send different bytes under one
# strong ETag (RFC 9110 §8.8.1); the same holds for Python's zlib where the system replaces zlib by zlib-ng.
_GZIP_LEVEL = 7


def encoded(body: bytes, coding: Coding) -> bytes:
    """`body` under `coding`; under identity it is the same object.

    zstd: the level's window is at most 4 MB, within the 8 MB that RFC 9659 §3 allows in HTTP. gzip: no time,
    and "unknown" for the operating system (RFC 1952 §2.3).
    """
    if coding == "zstd":
        # A copy, because the library's short result keeps a buffer as large as the whole feed allocated.
        return bytes(memoryview(zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)))
    if coding == "br":
        brotlied: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY)
        return brotlied
    if coding == "gzip":
        return bytes(deflate.gzip_compress(body, _GZIP_LEVEL))
    return body
