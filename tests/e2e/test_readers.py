"""Readers that poll as people's do get the stories, and 304 the second time."""

from collections.abc import Iterator
from datetime import UTC, datetime

import feedparser
import pytest
from reader import make_reader

from tests.e2e.conftest import Service
from tests.stories import write_story


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("readers"))
    for number in range(3):
        write_story(
            made.content, f"world/{number}.md", title=f"Story {number}", date=f"2026-01-0{number + 1}"
        )
    yield made.start()
    made.kill()
    made.client.close()


def requests_with(service: Service, status: int) -> float:
    lines = [
        line
        for line in service.get("/metrics").text.splitlines()
        if line.startswith("feedsvc_feed_requests_total") and f'status="{status}"' in line
    ]
    return sum(float(line.split()[-1]) for line in lines)


@pytest.mark.parametrize("fmt", ["rss", "atom"])
def test_feedparser_polls_by_tag_and_by_date(service: Service, fmt: str) -> None:
    url = f"http://127.0.0.1:{service.port}/feeds/sections/world.{fmt}"
    first = feedparser.parse(url)
    assert first.status == 200
    assert not first.bozo
    assert [entry.title for entry in first.entries] == ["Story 2", "Story 1", "Story 0"]
    assert feedparser.parse(url, etag=first.etag).status == 304
    assert feedparser.parse(url, modified=first.modified).status == 304
    assert feedparser.parse(url, etag=first.etag, modified=first.modified).status == 304


def test_reader_updates_and_its_second_poll_is_304(service: Service) -> None:
    with make_reader(":memory:") as reader:
        for fmt in ("rss", "atom", "json"):
            reader.add_feed(f"http://127.0.0.1:{service.port}/feeds/all.{fmt}")
        reader.update_feeds()
        for feed in reader.get_feeds():
            assert feed.last_exception is None
            entries = sorted(
                reader.get_entries(feed=feed), key=lambda entry: entry.published or datetime.now(UTC)
            )
            assert [entry.title for entry in entries] == ["Story 0", "Story 1", "Story 2"]
            assert entries[0].published == datetime(2025, 12, 31, 23, tzinfo=UTC)
        before = requests_with(service, 304)
        reader.update_feeds(scheduled=False)
        assert requests_with(service, 304) == before + 3
