"""A whole service tells a partner's system at once, and waits for none that hangs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Service
from tests.receiver import Receiver
from tests.stories import write_story

PARTNER = """
[partners.acme]
feeds = ["all"]
webhook = "{url}"
webhook_secret = "a secret of sixteen or more"
webhook_private = true
"""


@pytest.fixture
def told(tmp_path: Path, receiver: Receiver) -> Iterator[Service]:
    made = Service(tmp_path, config=PARTNER.format(url=receiver.url))
    write_story(made.content, "a.md", title="Zebra")
    yield made.start()
    made.kill()


def received(service: Service) -> None:
    """Acme receives the story, and the story is withdrawn."""
    token = service.run("token", "create", "acme").stdout.strip()
    fields = {"Authorization": f"Bearer {token}"}
    service.wait_until(lambda: service.get("/partners/acme/feeds/all.rss", **fields).status_code == 200)
    write_story(service.content, "a.md", title="Zebra", status="withdrawn", withdrawal="Not true.")
    service.wait_until(lambda: "Zebra" not in service.get("/feeds/all.rss").text)


def test_partner_is_told_within_seconds_of_a_withdrawal_and_the_list_says_so(
    told: Service, receiver: Receiver
) -> None:
    received(told)
    took = told.wait_until(lambda: bool(receiver.got), 10)
    assert took < 6
    assert json.loads(receiver.got[0][2])["type"] == "story.withdrawn"
    told.wait_until(lambda: "notice taken" in told.run("recalls").stdout, 3)
    time.sleep(4.5)  # two more looks
    assert len(receiver.got) == 1


def test_webhook_that_hangs_delays_neither_feeds_nor_the_end(told: Service, receiver: Receiver) -> None:
    receiver.pause = 12.0
    received(told)
    told.wait_until(lambda: bool(receiver.got), 10)
    write_story(told.content, "b.md", title="Giraffe")
    told.wait_until(lambda: "Giraffe" in told.get("/feeds/all.rss").text, 2)
    assert '"notices_waiting": 1' in told.run("status", "--json").stdout
    assert "feedsvc_notices_waiting 1.0" in told.get("/metrics").text
    assert told.stop() < 5
