"""Send the service's own HTTP requests, and never to a private address unless that is allowed.

Knows nothing of what is sent. A host name is resolved once, and the connection is made to an address that was
checked: a name that resolves differently the next moment (DNS rebinding) gains nothing.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import httpx

from feedsvc import __version__
from feedsvc.util.errors import FeedsvcError

Send = Callable[[str, bytes, Mapping[str, str], bool], int]
Resolve = Callable[[str, int], list[str]]

_SECONDS = 10.0  # to connect, and for each part of what is sent and received
_WHOLE_SECONDS = 20.0
_ADDRESSES = 3  # most addresses of one host that are tried
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ISATAP = 0x0000_5EFE  # RFC 5214 §6.1; the universal/local bit is ignored
_OTHERS = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's services for a virtual machine, its metadata among them
            "192.0.0.0/24",  # RFC 6890; holds Oracle's metadata service. Older Pythons take parts for global
            "192.88.99.0/24",  # RFC 7526: the 6to4 relays, which were withdrawn
            "3fff::/20",  # RFC 9637: documentation
        ),
    )
)
"""Networks that Python's `is_global` accepts, and to which no request may go."""


class OutgoingError(FeedsvcError):
    """A request that was not sent, or got no response; the message says why."""


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, without duplicates. Raises OutgoingError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutgoingError(f"{host}: {error}") from error
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def post(url: str, body: bytes, fields: Mapping[str, str], private: bool, resolve: Resolve = resolved) -> int:
    """POST a body and return the status of the response, whose body is not read; redirects are not followed.

    `fields` are header fields. Raises OutgoingError if there is no response in time, or, unless `private`, if
    any address of the host is not a public one.
    """
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError) as error:
        raise OutgoingError(f"{url} is no URL: {error}") from error
    addresses = resolve(host, parsed.port or (443 if parsed.scheme == "https" else 80))
    if not addresses:
        raise OutgoingError(f"{host} has no address")
    for address in addresses:
        if not private and not is_public(address):
            raise OutgoingError(f"{host} leads to {address}, which is no public address")
    headers = {**fields, "Host": parsed.netloc.decode("ascii"), "User-Agent": f"feedsvc/{__version__}"}
    failure: Exception | None = None
    for address in addresses[:_ADDRESSES]:
        try:
            return _posted(parsed, host, address, body, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error  # this machine may have no IPv6, or that server may be down: try the next
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise OutgoingError(f"{host}: {error or type(error).__name__}") from error
    raise OutgoingError(f"{host}: {failure or type(failure).__name__}") from failure


def _posted(url: httpx.URL, host: str, address: str, body: bytes, headers: Mapping[str, str]) -> int:
    with _cut_off_after(_WHOLE_SECONDS) as trace:
        request = httpx.Request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers=headers,
            extensions={
                "sni_hostname": host,
                "timeout": httpx.Timeout(_SECONDS).as_dict(),
                "trace": trace,
            },
        )
        with httpx.Client(trust_env=False, follow_redirects=False) as client:
            answer = client.send(request, stream=True)
            answer.close()
            return answer.status_code


@contextmanager
def _cut_off_after(seconds: float) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    """Close a connection after `seconds`, even if it is busy: httpx's timeouts start anew with each byte.

    Yields the function that httpx must call about its connections
    (https://www.encode.io/httpcore/extensions/#trace).
    """
    held: list[socket.socket] = []
    over = threading.Event()

    def trace(event: str, told: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            # A duplicate of the descriptor, because TLS detaches the original socket's.
            held.append(told["return_value"].get_extra_info("socket").dup())
            if over.is_set():
                end()

    def end() -> None:
        over.set()
        for one in held:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield trace
    finally:
        timer.cancel()
        for one in held:
            one.close()


def is_public(text: str) -> bool:
    """Whether an address, and every address embedded in it, is one of the public internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(one) for one in _within(address))


def _is_public(one: IPv4Address | IPv6Address) -> bool:
    if any(one in net for net in _OTHERS if net.version == one.version):
        return False
    # All global unicast addresses that IPv6 assigns begin with the bits 001.
    if isinstance(one, IPv6Address) and one not in _UNICAST:
        return False
    return one.is_global and not (
        one.is_multicast or one.is_reserved or one.is_unspecified or one.is_loopback or one.is_link_local
    )


def _within(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The addresses that may be reached by this one: itself, and IPv4 addresses embedded in it."""
    if isinstance(address, IPv4Address):
        return [address]
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address.sixtofour:
        return [address, address.sixtofour]
    if address.teredo:
        return [address, *address.teredo]
    if address in _NAT64:
        return [last]
    if int(address) >> 32 & 0xFDFF_FFFF == _ISATAP:
        return [address, last]
    return [address]
