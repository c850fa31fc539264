"""Which address a request comes from, by way of the proxies that are trusted.

Pure: knows header fields and networks.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


def networks(written: Sequence[str]) -> tuple[Network, ...]:
    """Networks as the configuration names them."""
    return tuple(ip_network(one, strict=False) for one in written)


def client_address(environ: Mapping[str, Any], trusted: Sequence[Network]) -> str:
    """The address a request comes from: that of the connection, unless a trusted proxy is at its other end.

    Then it is the last in X-Forwarded-For that is no trusted proxy's: what stands before that, anybody may
    have written. IPv6 addresses count by their /64, which one subscriber has.
    """
    address = str(environ.get("REMOTE_ADDR") or "")
    # At the other end of a Unix socket, which has no address, is a proxy that may open the socket's file.
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
