"""The delivery log of a whole service, with kills and corrections, beside what partners really received."""

import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from feedsvc.domain.model import Loaded
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import Reader
from tests.e2e.conftest import Service
from tests.stories import write_story

STORIES = 500
PARTNERS = """
[feeds]
items = 60

[partners.acme]
feeds = ["all", "sections/*"]

[partners.globex]
feeds = ["*"]
content = "summary"
exclude = { tags = ["local"] }

[partners.initech]
feeds = ["sections/sport"]
formats = ["json", "atom"]
"""
FEEDS = {
    "acme": ["all.json", "sections/world.json", "sections/sport.json", "sections/culture.json"],
    "globex": ["all.json", "tags/local.json", "tags/wide.json"],
    "initech": ["sections/sport.json"],
}
LOSS = 1.0  # seconds that a kill may cost
SECTIONS = ("world", "sport", "culture")


@dataclass
class Client:
    """A partner's system, which polls its feeds one after the other and notes what it received, and when."""

    name: str
    token: str
    base: str
    bearer: bool = False
    received: dict[tuple[str, str], float] = field(default_factory=dict)
    cut_off: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)

    def poll_on(self) -> None:
        etags: dict[str, str] = {}
        while not self.stopping.is_set():
            for feed in FEEDS[self.name]:
                try:
                    self.poll(feed, etags)
                except httpx.TransportError:
                    self.cut_off = True
                time.sleep(0.02)

    def poll(self, feed: str, etags: dict[str, str]) -> None:
        answer = httpx.get(
            f"{self.base}/partners/{self.name}/feeds/{feed}",
            auth=None if self.bearer else ("reader", self.token),
            headers={"If-None-Match": etags.get(feed, '"none"')}
            | ({"Authorization": f"Bearer {self.token}"} if self.bearer else {}),
            timeout=5,
        )
        if answer.status_code == 200:
            now = time.time()
            etags[feed] = answer.headers["ETag"]
            for item in answer.json()["items"]:
                version = (item["id"], item["title"])
                self.received.setdefault(version, now)


TITLES: dict[str, str] = {}
"""The title of every version of every story, by its digest, as loading makes it."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, config=PARTNERS + "\n[http]\nworkers = 2\n")
    for number in range(STORIES):
        tell(made, number, 0)
    yield made.start()
    made.kill()


def tell(service: Service, number: int, version: int, **fields: object) -> None:
    """Write a version of a story; its title says which."""
    path = f"{SECTIONS[number % 3]}/{number:03}.md"
    hour, minute = divmod(number, 60)
    write_story(
        service.content,
        path,
        title=f"Story {number} version {version}",
        date=f"2026-02-{1 + hour:02}T10:{minute:02}:00Z",
        updated=f"2026-03-01T10:00:{version:02}Z",
        tags=f"[{'Local' if number % 5 == 0 else 'Wide'}]",
        **fields,
    )
    made = Reader(service.content, LoadRules("Europe/Brussels")).load(path)
    assert isinstance(made, Loaded)
    TITLES[made.article.digest] = made.article.title


def test_ledger_is_complete_against_what_clients_received(service: Service) -> None:
    clients = []
    for name in FEEDS:
        made = service.run("token", "create", name)
        base = f"http://127.0.0.1:{service.port}"
        clients.append(Client(name, made.stdout.strip(), base, bearer=name == "acme"))
    threads = [threading.Thread(target=client.poll_on, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    chance, kills = random.Random(5), []
    withdrawn: set[int] = set()
    for step in range(24):
        number = STORIES - 1 - chance.randrange(40)
        if number in withdrawn:
            continue
        if step % 4 == 3:
            withdrawn.add(number)
            tell(service, number, step, status="withdrawn", withdrawal=f"Reason {step}")
        else:
            tell(service, number, step, correction=f"Correction {step}")
        if step % 8 == 5:
            # A worker, whose ids come after that of their parent; another takes its place.
            worker = chance.choice(service.processes()[1:])
            kills.append(time.time())
            os.kill(worker, signal.SIGKILL)
        time.sleep(0.4)
    time.sleep(1.5)
    for client in clients:
        client.stopping.set()
    for thread in threads:
        thread.join()
    service.wait_until(lambda: service.get("/healthz").status_code == 200, 5)
    service.stop()

    noted: dict[str, set[tuple[str, str]]] = {name: set() for name in FEEDS}
    for line in service.run("deliveries", "--json").stdout.splitlines():
        one = json.loads(line)
        if "@" not in one["version"]:
            noted[one["partner"]].add((entry_id(one["article"]), one["version"]))
    for client in clients:
        known = {(article, TITLES.get(version, "")) for article, version in noted[client.name]}
        missing = {
            version
            for version, at in client.received.items()
            if version not in known and not any(kill - LOSS <= at <= kill + 0.3 for kill in kills)
        }
        assert len(client.received) > 50
        assert not missing, f"{client.name} received what the ledger has not: {sorted(missing)[:5]}"
        # An answer that a kill cut off was sent, and did not arrive.
        unsent = known - set(client.received)
        assert client.cut_off or not unsent, f"the ledger has what {client.name} has not: {unsent}"
        assert len(unsent) <= len(kills) * 60
    assert len(noted["acme"]) >= 60
    assert {article for article, _ in noted["initech"]} <= {entry_id(f"sport/{n:03}") for n in range(STORIES)}
    local = {entry_id(f"{SECTIONS[n % 3]}/{n:03}") for n in range(0, STORIES, 5)}
    assert not local & {article for article, _ in noted["globex"]}
    # Everybody came by after the last change: nobody is left who does not know.
    told = service.run("recalls")
    assert (told.returncode, told.stdout) == (0, ""), told.stdout


def entry_id(article: str) -> str:
    return f"tag:news.example.org,2026:{article}"


def received_by_acme(service: Service) -> int:
    """Acme polls once, from a connection of its own; returns how many stories it received."""
    made = service.run("token", "create", "acme")
    client = Client("acme", made.stdout.strip(), f"http://127.0.0.1:{service.port}", bearer=True)

    def is_served() -> bool:
        client.poll("all.json", {})
        return bool(client.received)

    # A worker reads new tokens within a quarter of a second.
    service.wait_until(is_served, 5)
    return len(client.received)


def noted(service: Service) -> int:
    return len(service.run("deliveries", "--json").stdout.splitlines())


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, config=PARTNERS + "\n[http]\nworkers = 2\n")
    for number in range(30):
        write_story(made.content, f"{number}.md", section="world")
    yield made.start()
    made.kill()


def test_clean_stop_right_after_an_answer_loses_nothing(small: Service) -> None:
    assert received_by_acme(small) == 30
    small.stop()
    assert noted(small) == 30


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_the_store_could_not_take_is_written_after_the_next_start(small: Service, how: str) -> None:
    with closing(sqlite3.connect(small.folder / "var/feedsvc.db", isolation_level=None)) as other:
        token = small.run("token", "create", "acme").stdout.strip()
        client = Client("acme", token, f"http://127.0.0.1:{small.port}")
        time.sleep(0.5)  # the workers read the token
        other.execute("BEGIN IMMEDIATE")  # as a large load does, longer than a stop waits
        client.poll("all.json", {})
        if how == "stop":
            assert small.stop() < 5
        else:
            time.sleep(LOSS)
            small.kill()
        other.execute("ROLLBACK")
    assert len(client.received) == 30
    assert noted(small) == 0
    small.start()
    small.wait_until(lambda: noted(small) == 30, 5)
    assert list((small.folder / "var").glob("*-ledger/*")) == []
