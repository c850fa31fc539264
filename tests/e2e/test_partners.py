"""Partners on a running service: tokens come and go on every worker, no secret is logged, HTTPS is spoken."""

import json
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.conftest import missing
from tests.e2e.conftest import Service
from tests.stories import write_story

PARTNERS = """
[partners.acme]
feeds = ["all", "sections/*"]

[partners.globex]
feeds = ["*"]
delay = "2h"
"""
ACME = "/partners/acme/feeds/all.rss"


@pytest.fixture
def licensed(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, config=PARTNERS + "\n[http]\nworkers = 2\n")
    write_story(service.content, "world/a.md", title="Harbour reopens")
    yield service.start()
    service.kill()


def made_token(service: Service, *arguments: str) -> str:
    made = service.run("token", "create", *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def statuses(service: Service, token: str, times: int = 40, path: str = ACME) -> set[int]:
    """What so many connections get, which the workers share among them."""

    def ask(_: int) -> int:
        with httpx.Client(base_url=f"http://127.0.0.1:{service.port}") as client:
            return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(ask, range(times)))


def test_revoked_and_expired_tokens_stop_within_a_second_on_every_worker(licensed: Service) -> None:
    good = made_token(licensed, "acme")
    licensed.wait_until(lambda: statuses(licensed, good, 8) == {200}, 1)
    assert statuses(licensed, good) == {200}
    listed = [json.loads(line) for line in licensed.run("token", "list", "--json").stdout.splitlines()]
    assert [one["state"] for one in listed] == ["good"]
    assert licensed.run("token", "revoke", listed[0]["id"]).returncode == 0
    time.sleep(1)
    assert 200 not in statuses(licensed, good)


def test_expired_token_stops_within_a_second_on_every_worker(licensed: Service) -> None:
    short = made_token(licensed, "acme", "--expires", "9s")
    listed = json.loads(licensed.run("token", "list", "--json").stdout)
    expires_at = datetime.fromisoformat(listed["expires_at"])
    while (left := (expires_at - datetime.now(UTC)).total_seconds()) > 0:
        seen = statuses(licensed, short, 8)
        if datetime.now(UTC) < expires_at:
            assert seen == {200}
        time.sleep(min(0.5, max(left, 0)))
    time.sleep(1)
    assert 200 not in statuses(licensed, short)


def test_no_token_hash_or_authorization_is_in_any_log_metric_or_error(licensed: Service) -> None:
    token = made_token(licensed, "acme")
    licensed.wait_until(lambda: licensed.get(ACME, Authorization=f"Bearer {token}").status_code == 200, 1)
    refused = licensed.get("/partners/globex/feeds/all.rss", Authorization=f"Bearer {token}")
    (licensed.folder / "var" / "feedsvc.db").rename(licensed.folder / "gone.db")  # errors of every kind
    licensed.get("/partners/acme/feeds/sections/world.atom", Authorization=f"Bearer {token}")
    licensed.get("/partners/acme/feeds.opml", Authorization=f"Bearer {token}")
    time.sleep(1)
    from feedsvc.store.tokens import hashed

    said = licensed.log.read_text() + refused.text + licensed.get("/metrics").text
    for secret in (token, token[4:], hashed(token), "Authorization", "Bearer " + token[:8]):
        assert secret not in said


def test_stop_loses_no_line_of_the_ledger(licensed: Service) -> None:
    token = made_token(licensed, "acme")
    licensed.wait_until(lambda: licensed.get(ACME, Authorization=f"Bearer {token}").status_code == 200, 1)
    assert licensed.get(
        "/partners/acme/feeds/sections/world.json", Authorization=f"Bearer {token}"
    ).is_success
    licensed.stop(signal.SIGTERM)
    lines = [json.loads(line) for line in licensed.run("deliveries", "--json").stdout.splitlines()]
    assert [(one["partner"], one["article"]) for one in lines] == [("acme", "world/a")]
    as_fed = "tag:news.example.org,2026:world/a"
    assert licensed.run("deliveries", "--json", "--article", as_fed).stdout.count("world/a") == 1
    table = licensed.run("deliveries", "--csv", "--partner", "acme", "--since", "1h").stdout.splitlines()
    assert table[0] == "delivered_at,partner,token,label,article,version,feed,format"
    assert len(table) == 2


def test_explain_says_of_every_feed_why(licensed: Service) -> None:
    write_story(licensed.content, "world/b.md", title="Later", embargo="2999-01-01", tags="[Ports]")
    licensed.wait_until(lambda: licensed.run("explain", "world/b").returncode == 1, 10)
    told = licensed.run("explain", "world/b.md", "--json")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert {line["feed"] for line in lines} == {"all", "sections/world", "tags/ports", "custom/top"}
    assert all("embargo" in line["why"] and line["shown"] == "none" for line in lines)
    then = licensed.run("explain", "world/b", "--at", "2999-01-01T01:00", "--partner", "acme")
    assert then.returncode == 0
    assert "this partner is not given tags/ports" in then.stdout
    assert "number 1 of at most 50" in then.stdout
    assert licensed.run("explain", "tag:news.example.org,2026:world/b").returncode == 1
    unknown = licensed.run("explain", "world/c")
    assert (unknown.returncode, "there is no story 'world/c'" in unknown.stderr) == (2, True)
    nobody = licensed.run("explain", "world/b", "--partner", "acne")
    assert (nobody.returncode, "acme" in nobody.stderr) == (2, True)


def test_token_of_an_unknown_partner_or_a_past_day_is_refused_with_what_to_write(licensed: Service) -> None:
    made = licensed.run("token", "create", "acne")
    assert (made.returncode, "did you mean acme?" in made.stderr) == (2, True)
    made = licensed.run("token", "create", "acme", "--expires", "2020-01-01")
    assert (made.returncode, "is past" in made.stderr) == (2, True)
    assert licensed.run("token", "revoke", "0000").returncode == 2
    assert licensed.run("token", "list").stdout == ""


def test_https_is_spoken_with_the_certificate_that_is_configured(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        missing("openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    service = Service(
        tmp_path, config='\n[http.tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n' + PARTNERS
    )
    write_story(service.content, "a.md", title="Harbour reopens")
    service.client = httpx.Client(
        base_url=f"https://127.0.0.1:{service.port}",
        verify=ssl.create_default_context(cafile=str(certificate)),
        timeout=5,
    )
    try:
        service.start()
        token = made_token(service, "acme")
        service.wait_until(lambda: service.get(ACME, Authorization=f"Bearer {token}").status_code == 200, 1)
        assert "Harbour reopens" in service.get("/feeds/all.atom").text
    finally:
        service.kill()
