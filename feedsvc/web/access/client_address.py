"""Finds a request's client address, behind trusted proxies if there are any.

Pure: knows header fields and networks.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


def networks(written: Sequence[str]) -> tuple[Network, ...]:
    """Parse networks as the configuration writes them (CIDR, or a single address)."""
    return tuple(ip_network(one, strict=False) for one in written)


def client_address(environ: Mapping[str, Any], trusted: Sequence[Network]) -> str:
    """The client's address: that of the connection's peer, unless the peer is a trusted proxy.

    Behind a trusted proxy it is the last address in X-Forwarded-For that is not a trusted proxy's: anybody
    may have written what comes before. An IPv6 address is returned as its /64 network, because one subscriber
    has all of it.
    """
    address = str(environ.get("REMOTE_ADDR") or "")
    # A Unix socket's peer has no address. It is taken for a trusted proxy: it may open the socket's file.
    if not address or (trusted and is_among(address, tuple(trusted))):
        for hop in reversed(str(environ.get("HTTP_X_FORWARDED_FOR") or "").split(",")):
            if not _parsed(hop.strip()):
                break
            address = hop.strip()
            if not is_among(address, tuple(trusted)):
                break
    return _counted(address)


@lru_cache(maxsize=4_096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    bare = text.partition("]")[0].lstrip("[") if text.startswith("[") else text
    if bare.count(":") == 1:  # an IPv4 address with a port
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


@lru_cache(maxsize=4_096)
def is_among(text: str, trusted: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks."""
    address = _parsed(text)
    return address is not None and any(address in network for network in trusted)


@lru_cache(maxsize=4_096)
def _counted(text: str) -> str:
    address = _parsed(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> 64 << 64, 64)))
    return str(address) if address else text
