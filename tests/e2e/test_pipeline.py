"""From a story file to a polled feed, on a running service."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from lxml import etree

from tests.e2e.conftest import Service
from tests.stories import write_story

SAMPLE_PAGE = Path(__file__).parents[3] / "shared" / "samples" / "news-page.txt"
FORMATS = ("rss", "atom", "json")


def changed(before: dict[str, object], after: dict[str, object]) -> set[str]:
    return {
        path.rpartition(".")[0]
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }


def settled(service: Service, path: str, text: str, *, there: bool = True) -> float:
    """Wait until `text` is in the feed, or isn't."""
    return service.wait_until(lambda: (text in service.get(path).text) is there)


def replace_story(service: Service, path: str, **fields: object) -> None:
    """Write a story beside its place and rename it there, as careful editors do."""
    draft = write_story(service.folder, "draft.txt", **fields)
    target = service.content / path
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(target)


def test_imported_page_is_out_in_two_seconds(service: Service) -> None:
    if not SAMPLE_PAGE.exists():
        pytest.skip("the sample page is not beside this checkout")
    service.start()
    imported = service.run("import", "page", str(SAMPLE_PAGE), "--into", str(service.content))
    began = time.monotonic()
    assert imported.returncode == 0, imported.stderr
    title = "US urges allies to accelerates anti-IS campaign"
    for key in ("sections/international", "tags/syria", "tags/islamic-state", "all"):
        for fmt in FORMATS:
            settled(service, f"/feeds/{key}.{fmt}", title)
    assert time.monotonic() - began < 2
    feed = service.get("/feeds/sections/international.json").json()
    assert feed["title"] == "International – The Daily Example"
    item = feed["items"][0]
    assert item["date_published"].startswith("2016-02-11")
    assert item["tags"] == ["International", "Syria", "Islamic State"]
    assert (item["_feedsvc"]["dateline"], item["_feedsvc"]["source"]) == ("BRUSSELS", "Reuters")
    assert "<h2>WARPLANES, TRAINING</h2>" in item["content_html"]
    for furniture in ("calendar", "Ads", "Tags:", "More INTERNATIONAL", " - Reuters", "27 April"):
        assert furniture not in item["content_html"]
    page = service.get(httpx.URL(item["url"]).path)
    assert page.status_code == 200
    assert title in page.text
    again = service.run("import", "page", str(SAMPLE_PAGE), "--into", str(service.content))
    assert "unchanged" in again.stdout


def test_every_edit_changes_exactly_the_feeds_concerned(service: Service) -> None:
    replace_story(service, "a.md", title="Zebra", section="world", tags="[Rail]", author="Jane Doe")
    replace_story(service, "b.md", title="Other", section="sport", tags="[Cup]", author="Jo Bloggs")
    service.start()
    settled(service, "/feeds/all.rss", "Zebra")
    states = [service.feeds()]

    def after(text: str, path: str = "/feeds/all.rss", there: bool = True) -> set[str]:
        settled(service, path, text, there=there)
        time.sleep(0.3)  # anything that should not have changed has had time to
        states.append(service.feeds())
        return changed(dict(states[-2]), dict(states[-1]))

    own = {"all", "custom/top", "tags/rail", "authors/jane-doe"}
    replace_story(service, "a.md", title="Giraffe", section="world", tags="[Rail]", author="Jane Doe")
    assert after("Giraffe") == own | {"sections/world"}
    replace_story(service, "a.md", title="Giraffe", section="sport", tags="[Rail]", author="Jane Doe")
    assert after("Giraffe", "/feeds/sections/sport.rss") == own | {"sections/world", "sections/sport"}
    replace_story(
        service,
        "a.md",
        title="Giraffe",
        section="sport",
        tags="[Rail]",
        author="Jane Doe",
        status="withdrawn",
    )
    assert after("Giraffe", there=False) == (own - {"custom/top"}) | {"sections/sport"}
    replace_story(service, "a.md", title="Lion", section="sport", tags="[Rail]", author="Jane Doe")
    assert after("Lion") == (own - {"custom/top"}) | {"sections/sport"}
    (service.content / "a.md").unlink()
    assert after("Lion", there=False) == (own - {"custom/top"}) | {"sections/sport"}
    service.stop()
    service.start()
    assert service.feeds() == states[-1]


def test_embargo_lifts_on_the_second(service: Service) -> None:
    write_story(service.content, "a.md", title="Open")
    service.start()
    embargo = datetime.now(UTC) + timedelta(seconds=5)
    write_story(
        service.content,
        "world/b.md",
        title="Zebra",
        embargo=embargo.isoformat(),
        tags="[Hush]",
        body="Okapi.",
    )
    while datetime.now(UTC) < embargo:
        for path in ("/feeds/all.rss", "/feeds/all.atom", "/feeds/all.json", "/", "/feeds.opml"):
            text = service.get(path).text
            # An answer that was under way at the very instant may be either.
            assert datetime.now(UTC) >= embargo or ("Zebra" not in text and "hush" not in text)
        time.sleep(0.05)
    for key in ("all", "sections/world", "tags/hush"):
        for fmt in FORMATS:
            settled(service, f"/feeds/{key}.{fmt}", "Zebra")
    assert datetime.now(UTC) - embargo < timedelta(seconds=1)


def poison(content: Path) -> dict[str, int]:
    """Stories that are wrong in every way we know; returns path → the line that is to be named."""
    front = b"---\ntitle: Poison\ndate: 2026-01-02\n---\n"
    files = {
        "control.md": (front + b"A bell \x07 and a form feed \x0c.", 5),
        "surrogate.json": (
            b'{"title": "Half a \\ud83d face", "date": "2026-01-02",\n"body": "Text \\udc00 here."}',
            1,
        ),
        "surrogate-bytes.md": (front + b"Bytes \xed\xa0\x80 that are no UTF-8.", 5),
        "cdata.md": (front + b"An end ]]> of what never began.", 5),
        "bad-date.md": (b"---\ntitle: Poison\ndate: yesterday\n---\nText.", 3),
        "unclosed.md": (b"---\ntitle: Poison\ndate: 2026-01-02\nText.", 1),
        "yaml.md": (b"---\ntitle: 'Poison\ndate: 2026-01-02\n---\nText.", 2),
        "big.md": (front + b"x" * 10_000_000, 1),
        "nothing.md": (b"", 1),
        "array.json": (b"[1, 2]", 1),
        "deep.json": (b"[" * 100_000, 1),
    }
    for name, (raw, _) in files.items():
        (content / name).write_bytes(raw)
    outside = content.parent / "secret.md"
    outside.write_bytes(front + b"Zebra outside.")
    (content / "link.md").symlink_to(outside)
    (content / "folder-link").symlink_to(content.parent, target_is_directory=True)
    return {name: line for name, (_, line) in files.items()} | {"link.md": 1}


def test_poison_leaves_every_feed_well_formed_and_every_other_story_out(service: Service) -> None:
    for number in range(5):
        write_story(service.content, f"good-{number}.md", title=f"Good {number}", section="world")
    expected = poison(service.content)
    service.start()
    for key in ("all", "sections/world"):
        for fmt in FORMATS:
            body = service.get(f"/feeds/{key}.{fmt}").content
            assert all(f"Good {number}".encode() in body for number in range(5))
            assert b"Zebra outside" not in body
            if fmt == "json":
                json.loads(body)
            else:
                etree.fromstring(body)
    checked = service.run("check")
    assert checked.returncode == 1
    named = {
        (line.partition(":")[0].removeprefix("content/"), int(line.split(":")[1]))
        for line in checked.stdout.splitlines()
    }
    assert set(expected.items()) <= named, checked.stdout


def test_check_finds_nothing_in_the_sample_content() -> None:
    root = Path(__file__).parents[2]
    checked = Service.run(_At(root), "check")  # type: ignore[arg-type]
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout


class _At:
    """Where `Service.run` runs a command: the repository's own site."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "config.toml"


def test_touched_file_changes_nothing(service: Service) -> None:
    file = write_story(service.content, "a.md")
    service.start()
    before = service.feeds()
    os.utime(file)
    time.sleep(1.2)
    assert service.feeds() == before
