"""Requests that the service itself makes: to no address of its own net, unless that is allowed.

Knows nothing of what is sent. The name of a host is looked up once, and the connection made to an address
that was looked at: a name that leads elsewhere the next moment gains nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address

import httpx

from feedsvc import __version__
from feedsvc.errors import FeedsvcError

Send = Callable[[str, bytes, Mapping[str, str], bool], int]
Resolve = Callable[[str, int], list[str]]

_SECONDS = 10.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class OutgoingError(FeedsvcError):
    """A request that was not made, or got no answer; the message says why."""


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OutgoingError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutgoingError(f"{host}: {error}") from error
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def post(url: str, body: bytes, fields: Mapping[str, str], private: bool, resolve: Resolve = resolved) -> int:
    """POST a body and return the status of the answer, which is not read; a redirect is not followed.

    Raises OutgoingError if there is none within ten seconds, or, unless `private`, if the host has an address
    that is not a public one.
    """
    parsed = httpx.URL(url)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    addresses = resolve(parsed.host, port)
    if not addresses:
        raise OutgoingError(f"{parsed.host} has no address")
    for address in addresses:
        if not private and not is_public(address):
            raise OutgoingError(f"{parsed.host} leads to {address}, which is no public address")
    headers = {**fields, "Host": parsed.netloc.decode("ascii"), "User-Agent": f"feedsvc/{__version__}"}
    request = httpx.Request(
        "POST",
        parsed.copy_with(host=addresses[0]),
        content=body,
        headers=headers,
        extensions={"sni_hostname": parsed.host, "timeout": httpx.Timeout(_SECONDS).as_dict()},
    )
    try:
        with httpx.Client(trust_env=False, follow_redirects=False) as client:
            answer = client.send(request, stream=True)
            answer.close()
            return answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise OutgoingError(f"{parsed.host}: {error or type(error).__name__}") from error


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, and so is every other that it carries within it."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(
        one.is_global and not (one.is_multicast or one.is_reserved or one.is_unspecified or one.is_loopback)
        for one in _within(address)
    )


def _within(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, or what it stands for: IPv4 in IPv6 in any of the ways that lead there."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address.sixtofour:
        return [address, address.sixtofour]
    if address.teredo:
        return [address, *address.teredo]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [address]
