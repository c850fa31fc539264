"""Partners are told by webhook, signed, again until it is taken, and at no address of one's own net."""

import hashlib
import hmac
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedsvc.domain.model import versioned
from feedsvc.domain.rights import Webhook
from feedsvc.outbound import http_client
from feedsvc.outbound.http_client import OutgoingError, is_public
from feedsvc.outbound.webhooks import Notifier
from feedsvc.store import outbox
from tests.conftest import Clock
from tests.receiver import Receiver
from tests.stories import article
from tests.web.partners.test_routes import Licensed

SECRET = "a secret of sixteen or more"


@pytest.fixture
def licensed(store_url: str, tmp_path: Path, clock: Clock) -> Iterator[Licensed]:
    made = Licensed(store_url, tmp_path, clock)
    yield made
    made.store.close()


def withdrawn_after_delivery(licensed: Licensed) -> str:
    """A story that acme holds is withdrawn; returns the version it holds."""
    story = article("a", title="Harbour “talks”")
    licensed.put(story)
    licensed.get("/partners/acme/feeds/all.rss", licensed.acme)
    licensed.ledger.write()
    licensed.clock.now += timedelta(seconds=5)
    licensed.put(versioned(replace(story, status="withdrawn", withdrawal="Not true.")))
    return story.digest


def notifier(licensed: Licensed, url: str, private: bool = True) -> Notifier:
    hooks = {"acme": Webhook(url, SECRET, private)}
    return Notifier(licensed.store, licensed.rules, hooks, licensed.clock)


def test_partner_that_holds_a_withdrawn_story_is_told_once_with_a_signature(
    licensed: Licensed, receiver: Receiver
) -> None:
    version = withdrawn_after_delivery(licensed)
    telling = notifier(licensed, receiver.url)
    assert telling.sweep() == 1
    assert telling.send_due() == 1
    telling.sweep()
    assert telling.send_due() == 0
    ((path, headers, body),) = receiver.got
    assert path == "/hook?of=acme"
    told = json.loads(body)
    assert (told["type"], told["partner"], told["reason"]) == ("story.withdrawn", "acme", "Not true.")
    assert told["article"] == {
        "id": "tag:news.example.org,2026:a",
        "url": "https://news.example.org/stories/a?utm_source=acme&utm_medium=feed",
        "key": "a",
        "title": "Harbour “talks”",
    }
    assert told["versions"] == [version]
    assert headers["Feedsvc-Id"] == told["id"]
    signed = headers["Feedsvc-Timestamp"].encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["Feedsvc-Signature"] == f"sha256={expected}"
    assert headers["Host"] == f"127.0.0.1:{receiver.server_address[1]}"


def test_who_holds_nothing_or_knows_already_is_not_told(licensed: Licensed, receiver: Receiver) -> None:
    telling = notifier(licensed, receiver.url)
    assert telling.sweep() == 0
    withdrawn_after_delivery(licensed)
    licensed.get("/partners/acme/feeds/all.rss", licensed.acme)
    licensed.ledger.write()
    assert telling.sweep() == 0


def test_line_of_the_ledger_that_comes_late_is_told_of(licensed: Licensed, receiver: Receiver) -> None:
    story = article("a")
    licensed.put(story)
    licensed.get("/partners/acme/feeds/all.rss", licensed.acme)
    licensed.put(versioned(replace(story, status="withdrawn")))
    telling = notifier(licensed, receiver.url)
    assert telling.sweep() == 0
    licensed.ledger.write()
    licensed.clock.now += timedelta(seconds=2)
    assert telling.sweep() == 1


def test_what_is_not_taken_is_sent_again_ever_more_rarely_until_it_is_given_up(
    licensed: Licensed, receiver: Receiver
) -> None:
    withdrawn_after_delivery(licensed)
    telling = notifier(licensed, receiver.url)
    telling.sweep()
    receiver.status = 500
    pauses: list[timedelta] = []
    last = licensed.clock()
    for _ in range(20_000):
        before = len(receiver.got)
        telling.send_due()
        if len(receiver.got) > before:
            pauses.append(licensed.clock() - last)
            last = licensed.clock()
        with licensed.store.read() as connection:
            if not outbox.waiting(connection):
                break
        licensed.clock.now += timedelta(seconds=5) if len(pauses) < 5 else timedelta(minutes=20)
    assert 10 <= len(pauses) <= 25
    assert pauses[1] < pauses[3] < pauses[5]
    assert sum(pauses, timedelta()) < timedelta(days=3)
    (outcome,) = outcomes(licensed)
    assert (outcome.sent_at, outcome.waits, outcome.error) == (None, False, "it answered 500")


def outcomes(licensed: Licensed) -> list[outbox.Outcome]:
    from sqlalchemy import select

    from feedsvc.store.tables import outbox as table

    with licensed.store.read() as connection:
        ids = list(connection.execute(select(table.c.id)).scalars())
        return list(outbox.outcomes(connection, ids).values())


def test_taken_at_the_second_try(licensed: Licensed, receiver: Receiver) -> None:
    withdrawn_after_delivery(licensed)
    telling = notifier(licensed, receiver.url)
    telling.sweep()
    receiver.status = 503
    assert telling.send_due() == 0
    assert telling.send_due() == 0
    receiver.status = 200
    licensed.clock.now += timedelta(seconds=13)
    assert telling.send_due() == 1
    assert len({headers["Feedsvc-Id"] for _, headers, _ in receiver.got}) == 1
    assert outcomes(licensed)[0].sent_at == licensed.clock()


def test_redirect_is_not_followed(licensed: Licensed, receiver: Receiver) -> None:
    withdrawn_after_delivery(licensed)
    telling = notifier(licensed, receiver.url)
    telling.sweep()
    receiver.status = 307
    assert telling.send_due() == 0
    assert [path for path, _, _ in receiver.got] == ["/hook?of=acme"]


def test_own_net_is_not_asked_unless_that_is_allowed(licensed: Licensed, receiver: Receiver) -> None:
    withdrawn_after_delivery(licensed)
    telling = notifier(licensed, receiver.url, private=False)
    telling.sweep()
    assert telling.send_due() == 0
    assert receiver.got == []
    assert "no public address" in outcomes(licensed)[0].error


def test_name_is_looked_up_once_and_the_address_that_was_looked_at_is_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    url = receiver.url.replace("127.0.0.1", "partner.example")
    assert http_client.post(url, b"{}", {}, True, rebinding) == 204
    assert asked == ["partner.example"]
    assert receiver.got[0][1]["Host"].startswith("partner.example:")
    for answer in (["93.184.216.34", "10.0.0.1"], ["::ffff:10.0.0.1"], []):
        with pytest.raises(OutgoingError):
            http_client.post(url, b"{}", {}, False, lambda *_, found=answer: found)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # the environment has no say
    assert http_client.post(url, b"{}", {}, True, lambda *_: ["127.0.0.1"]) == 204


def test_second_address_is_asked_if_the_first_does_not_listen(receiver: Receiver) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.2", receiver.server_address[1]))  # and does not listen
        url = receiver.url.replace("127.0.0.1", "partner.example")
        assert http_client.post(url, b"{}", {}, True, lambda *_: ["127.0.0.2", "127.0.0.1"]) == 204
        with pytest.raises(OutgoingError, match=r"partner\.example"):
            http_client.post(url, b"{}", {}, True, lambda *_: ["127.0.0.2"])


def test_answer_that_comes_drop_by_drop_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_WHOLE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    connection.sendall(b"X-More: x\r\n")

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(OutgoingError):
            http_client.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, True)
        took = time.monotonic() - began
        over.set()
        thread.join()
    assert 0.4 < took < 3


@pytest.mark.parametrize("url", ["http://[::1", "http://host:port/", "http://" + "a" * 70_000, "http:///x"])
def test_what_is_no_url_is_an_error_like_others(url: str) -> None:
    with pytest.raises(OutgoingError):
        http_client.post(url, b"{}", {}, True)


def test_partner_that_does_not_answer_holds_up_nobody_else(licensed: Licensed) -> None:
    stories = [article(f"s{number}") for number in range(20)]
    licensed.put(*stories)
    licensed.get("/partners/acme/feeds/all.rss", licensed.acme)
    licensed.clock.now += timedelta(hours=3)  # globex has them later
    licensed.publish()
    licensed.get("/partners/globex/feeds/all.rss", licensed.globex)
    licensed.ledger.write()
    licensed.put(*(versioned(replace(story, status="withdrawn")) for story in stories))
    asked: list[str] = []

    def send(url: str, _body: bytes, _fields: Mapping[str, str], _private: bool) -> int:
        asked.append(url)
        if url == "https://silent.example/":
            raise OutgoingError("timed out")
        return 200

    hooks = {
        "acme": Webhook("https://silent.example/", SECRET),
        "globex": Webhook("https://well.example/", SECRET),
    }
    telling = Notifier(licensed.store, licensed.rules, hooks, licensed.clock, send)
    assert telling.sweep() == 40
    assert telling.send_due() == 20
    assert asked.count("https://silent.example/") == 1
    # Its pauses grow, though there are many notices.
    for seconds, times in ((13, 2), (13, 2), (24, 3), (40, 3), (105, 4)):
        licensed.clock.now += timedelta(seconds=seconds)
        telling.send_due()
        telling.send_due()
        assert asked.count("https://silent.example/") == times
    with licensed.store.read() as connection:
        assert outbox.waiting(connection) == 20


def test_line_that_comes_much_later_is_told_of_within_minutes(licensed: Licensed) -> None:
    story = article("a")
    licensed.put(story)
    licensed.get("/partners/acme/feeds/all.rss", licensed.acme)
    licensed.put(versioned(replace(story, status="withdrawn")))
    telling = notifier(licensed, "https://partner.example/")
    licensed.clock.now += timedelta(minutes=2)
    assert telling.sweep() == 0
    licensed.ledger.write()  # the store was gone so long
    licensed.clock.now += timedelta(minutes=1)
    assert telling.sweep() == 0
    licensed.clock.now += timedelta(minutes=5)
    assert telling.sweep() == 1


def test_two_schedulers_send_a_notice_once(licensed: Licensed, receiver: Receiver) -> None:
    withdrawn_after_delivery(licensed)
    both = [notifier(licensed, receiver.url) for _ in range(2)]
    for one in both:
        one.sweep()
    threads = [threading.Thread(target=one.send_due) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1",
        "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
        "fd00:ec2::254", "64:ff9b:1::1", "nonsense", "", "fec0::1", "3fff::1", "4000::1", "5f00::1",
        "168.63.129.16", "192.0.0.192", "192.88.99.1", "100.100.100.200", "::7f00:1",
        "2606:2800:220:1:0:5efe:7f00:1", "2606:2800:220:1:200:5efe:a00:1", "2002:a83f:8110::",
    ],
)  # fmt: skip
def test_address_of_no_public_net_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
)
def test_public_address_is_asked(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=6))
def test_ipv6_that_is_not_given_to_anybody_is_refused(address: ipaddress.IPv6Address) -> None:
    if is_public(str(address)):
        wrapped = address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96")
        assert wrapped or address in ipaddress.ip_network("2000::/3")
        assert address not in ipaddress.ip_network("2001:db8::/32")


@given(st.ip_addresses(v=4))
def test_ipv4_within_ipv6_is_as_public_as_it_is_itself(address: ipaddress.IPv4Address) -> None:
    public = is_public(str(address))
    assert is_public(f"::ffff:{address}") == public
    assert (
        is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))))
        == public
    )
    if not public:
        assert not is_public(str(ipaddress.IPv6Address(0x2002 << 112 | int(address) << 80)))
