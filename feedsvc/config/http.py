"""How the service listens and answers: the settings of [http].

Knows no server: `web` applies them.
"""

from typing import Annotated

from pydantic import Field

from feedsvc.config.partners import Table
from feedsvc.config.types import Count, Duration, HostPort, Network, Rate, Size


class TlsTable(Table):
    """The certificate the server shows, where no proxy does."""

    certificate: str = Field(description="PEM file of the certificate and its chain, relative to this file.")
    key: str = Field(description="PEM file of its private key, likewise.")


class HttpTable(Table):
    """The server."""

    host: str = Field(default="127.0.0.1", description="Address to listen at.")
    port: int = Field(default=8000, ge=1, le=65_535, description="Port to listen at.")
    uds: str = Field(
        default="",
        description="Unix socket to listen at instead of `host` and `port`, relative to this file.",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Web worker processes.")
    threads: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Threads that make pages in each worker, and as many that take pushed stories.",
    )
    stale_while_revalidate: Duration = Field(
        default=60, description="How long caches may serve while they ask."
    )
    stale_if_error: Duration = Field(
        default=86_400, description="How long caches may serve when the service fails."
    )
    cache: Size = Field(default=64_000_000, description="Memory for ready answers in each worker.")
    trusted_proxies: list[Network] = Field(
        default=[],
        description="Addresses and networks of proxies whose X-Forwarded-For is believed. Nobody else's is.",
    )
    rate: Rate | None = Field(
        default=None,
        description='Most full answers that one address gets of public feeds, "600/m". Default: no limit.',
    )
    tls: TlsTable | None = Field(default=None, description="What to serve HTTPS with.")
    metrics: HostPort = Field(
        default="",
        description="Where /metrics is instead, on a listener of its own: `127.0.0.1:9100`. "
        "Default: on that of everything else.",
    )
    header_timeout: Annotated[Duration, Field(ge=1)] = Field(
        default=10, description="How long a request's head may take from its first byte on; then 408."
    )
    body_timeout: Annotated[Duration, Field(ge=1)] = Field(
        default=30, description="How long a request's body may bring nothing; then 408."
    )
    idle_timeout: Annotated[Duration, Field(ge=1)] = Field(
        default=75,
        description="How long a connection may ask for nothing, or take nothing of its response. Longer than "
        "proxies keep theirs, so that it is they who close them.",
    )
    max_head: Annotated[Size, Field(ge=1024)] = Field(
        default=32_000, description="Largest request line with its header fields; beyond it 431."
    )
    connections: Annotated[Count, Field(ge=16)] = Field(
        default=60_000,
        description="Most connections of a worker; the system's limit on open files may be lower. For a new "
        "one those that have been idle for longest are closed.",
    )
    connections_per_address: Annotated[Count, Field(ge=1)] | None = Field(
        default=None,
        description="Most connections of one address to a worker; trusted proxies have any number. "
        "Default: no limit.",
    )
