"""While very many files come or go, a single change is out at once, and the service ends promptly."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Service
from tests.stories import write_story

BULK = 6_000
PATIENCE = 20.0  # seconds on a machine that does much else; two on one that doesn't


def number_of_stories(service: Service) -> int:
    lines = service.get("/metrics").text.splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("feedsvc_articles "))))


@pytest.fixture
def bulk(tmp_path: Path) -> Path:
    for number in range(BULK):
        tags = f"[T{number % 90}, U{number % 70}]"
        write_story(tmp_path / "bulk", f"s{number % 9}/{number}.md", title=f"Bulk {number}", tags=tags)
    return tmp_path / "bulk"


@pytest.mark.parametrize("how", ["copied", "renamed", "deleted"])
def test_single_change_overtakes_many_files_and_the_service_ends(
    service: Service, bulk: Path, how: str
) -> None:
    content = service.content
    service.config.write_text(service.config.read_text() + '[content]\nremovals = "all"\n')
    for name in ("a", "b", "c"):
        write_story(content, f"world/{name}.md", title=f"Zebra {name}")
    if how == "deleted":
        bulk.rename(content / "bulk")
    service.start()
    before = number_of_stories(service)
    service.wait_until(lambda: "Zebra c" in service.get("/feeds/sections/world.json").text, 60)
    if how == "copied":
        shutil.copytree(bulk, content / "bulk")
    elif how == "renamed":
        bulk.rename(content / "bulk")
    else:
        shutil.rmtree(content / "bulk")
    write_story(content, "world/a.md", title="Zebra a", status="withdrawn")
    write_story(service.folder, "b.txt", title="Zebra b", embargo="2030-01-01T00:00:00Z").rename(
        content / "world/b.md"
    )
    write_story(content, "world/c.md", title="Okapi")

    def is_out() -> bool:
        feed = service.get("/feeds/sections/world.json").text
        return "Zebra" not in feed and "Okapi" in feed

    service.wait_until(is_out, PATIENCE)
    done = number_of_stories(service)
    assert (done > 3) if how == "deleted" else (done < BULK + before), "it came after all the others"
    assert service.stop() < 5
