"""kill -9 of any process at any moment loses no change and leaves no feed half-updated."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from lxml import etree

from tests.e2e.conftest import Service
from tests.stories import write_story

STORIES = 60
ROUNDS = 12


def whole(service: Service) -> bool:
    """Whether every feed holds every story, in every format, well-formed."""
    for key in ("all", "sections/world", "tags/rail"):
        rss = etree.fromstring(service.get(f"/feeds/{key}.rss").content)
        atom = etree.fromstring(service.get(f"/feeds/{key}.atom").content)
        feed = json.loads(service.get(f"/feeds/{key}.json").content)
        titles = [item.findtext("title") for item in rss.iter("item")]
        assert titles == [
            entry.findtext("{http://www.w3.org/2005/Atom}title")
            for entry in atom.iter("{http://www.w3.org/2005/Atom}entry")
        ], "the formats of one feed are published in one transaction"
        assert titles == [item["title"] for item in feed["items"]]
    return True


@pytest.mark.timeout(300)
def test_kill_at_any_moment_of_a_refresh_loses_nothing(service: Service) -> None:
    dice = random.Random(2026)
    for number in range(STORIES):
        write_story(
            service.content, f"s{number}.md", title=f"Title {number} v0", section="world", tags="[Rail]"
        )
    for version in range(1, ROUNDS + 1):
        service.start(ready=False)
        time.sleep(dice.uniform(0.0, 1.2))
        for number in dice.sample(range(STORIES), 20):
            write_story(
                service.content,
                f"s{number}.md",
                title=f"Title {number} v{version}",
                section="world",
                tags="[Rail]",
            )
        time.sleep(dice.uniform(0.0, 0.4))
        service.kill()
    service.start()
    expected = {title_of(file) for file in service.content.iterdir()}

    def caught_up() -> bool:
        feed = service.get("/feeds/all.json").json()
        newest = {f"{item['title']}" for item in feed["items"]}
        return newest <= expected and len(newest) == 50

    service.wait_until(caught_up, 10)
    assert whole(service)
    rebuilt = rebuild(service)
    assert {path: one[0] for path, one in service.feeds().items()} == rebuilt


def title_of(file: Path) -> str:
    return file.read_text().split("title: ")[1].splitlines()[0]


def rebuild(service: Service) -> dict[str, bytes]:
    """The feeds of a store made anew from the same files."""
    folder = service.folder / "rebuilt"
    folder.mkdir()
    other = Service(folder)
    other.content.rmdir()
    other.content.symlink_to(service.content, target_is_directory=True)
    other.start()
    try:
        return {path: one[0] for path, one in other.feeds().items()}
    finally:
        other.kill()


def test_worker_that_dies_comes_back(service: Service) -> None:
    write_story(service.content, "a.md", title="Zebra")
    service.start()
    for _ in range(3):  # one after the other
        parent, *workers = service.processes()
        children = [pid for pid in workers if b"server.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert children
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        service.wait_until(lambda: "Zebra" in service.get("/feeds/all.rss").text, 15)
        assert service.processes()[0] == parent


def test_workers_end_with_their_parent(service: Service) -> None:
    write_story(service.content, "a.md")
    service.start()
    assert service.process is not None
    service.process.kill()
    service.process.wait()
    service.wait_until(lambda: not service.processes(), 6)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_everything_within_five_seconds(service: Service, sign: signal.Signals) -> None:
    write_story(service.content, "a.md")
    service.start("--workers", "2")
    service.get("/feeds/all.rss")  # leaves a connection open, as pollers do
    assert service.stop(sign) < 5
    assert service.process is not None
    assert service.process.returncode == 0
