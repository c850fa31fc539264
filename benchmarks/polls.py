"""The kinds of polls that `serve` measures, and wrk, which sends them.

Knows no contestant: ports and entity tags come in.
"""

import re
import subprocess
from dataclasses import dataclass
from typing import Literal, NamedTuple

from benchmarks.measuring import cpu_seconds
from benchmarks.running import HOST, ROOT, on_cores
from benchmarks.service import FEED

CONNECTIONS = 32
_CLOSE = ("Connection: close",)

Way = Literal["plain", "tls", "proxy"]


class WrkError(Exception):
    """wrk did not count what it was to count."""


class Rate(NamedTuple):
    """Responses a second, and the CPU microseconds of the server's processes for each."""

    a_second: float
    cpu_microseconds: float


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of poll. `by` is the way it comes; those that are not for `all` are for feedsvc and nginx."""

    name: str
    conditional: bool = True
    path: str = FEED
    fields: tuple[str, ...] = ()
    script: str = ""
    by: Way = "plain"
    for_all: bool = False


KNOWN = Kind("conditional", for_all=True)
FULL = Kind("full gzip", conditional=False, for_all=True)
ANOTHER = Kind("conditional, each another", script="each_another.lua")
NEW = Kind("conditional, a new connection each", fields=_CLOSE)
NEW_FULL = Kind("full gzip, a new connection each", conditional=False, fields=_CLOSE)
NEW_ANOTHER = Kind("conditional, a new connection and another each", fields=_CLOSE, script="each_another.lua")
PROXIED = Kind("conditional, through nginx's default proxy_pass", by="proxy")
ENCODED = Kind("conditional, percent-encoded path", path=FEED.replace("a", "%61", 1))
QUERY = Kind("conditional, with a query", path=f"{FEED}?from=reader")
HEAD = Kind("conditional HEAD", script="head.lua")
TLS_NEW = Kind("conditional, TLS, a new handshake each", fields=_CLOSE, by="tls")
TLS_KEPT = Kind("conditional, TLS", by="tls")
KINDS = (
    KNOWN, FULL, ANOTHER, NEW, NEW_FULL, NEW_ANOTHER, PROXIED, ENCODED, QUERY, HEAD, TLS_NEW, TLS_KEPT,
)  # fmt: skip


def wrk(kind: Kind, port: int, pid: int, etag: str, cores: set[int] | None, seconds: float) -> Rate:
    """Poll for so long; CPU is that of the process `pid` and all it started. Raises WrkError."""
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds:.0f}s"]
    fields = ["Accept-Encoding: gzip", *kind.fields]
    if kind.conditional:
        fields.append(f"If-None-Match: {etag}")
    for field in fields:
        command += ["--header", field]
    if kind.script:
        command += ["--script", str(ROOT / "benchmarks" / kind.script)]
    scheme = "https" if kind.by == "tls" else "http"
    before = cpu_seconds(pid)
    with on_cores(cores):
        ran = subprocess.run(
            [*command, f"{scheme}://{HOST}:{port}{kind.path}"],
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=True,
        )
    used = cpu_seconds(pid) - before
    counted = re.search(r"(\d+) requests in", ran.stdout)
    a_second = re.search(r"Requests/sec:\s*([\d.]+)", ran.stdout)
    wrong = re.search(r"Non-2xx or 3xx responses.*|Socket errors: .*", ran.stdout)
    if not (counted and a_second and int(counted[1])) or wrong:
        raise WrkError(f"{kind.name}: {wrong.group() if wrong else ran.stdout}")
    return Rate(float(a_second[1]), used / int(counted[1]) * 1e6)
