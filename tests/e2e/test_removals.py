"""Too many files gone at once, on a running service: nothing goes until another process confirms it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import START_SECONDS, Service
from tests.stories import write_story


@pytest.fixture
def newsroom(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service with thirty stories of the world and three of sport; on SQLite, unless a test says more."""
    engine = getattr(request, "param", "sqlite")
    store_url = request.getfixturevalue("postgres_url") if engine == "postgresql" else "sqlite:///var/a.db"
    folder = tmp_path / "newsroom"
    folder.mkdir()
    made = Service(folder, store=store_url, config='[feeds]\nitems = 100\n[schedule]\nrescan = "2s"\n')
    for number in range(30):
        write_story(made.content, f"world/{number:03}.md", title=f"World {number}")
    for number in range(3):
        write_story(made.content, f"sport/{number:03}.md", title=f"Sport {number}")
    made.start()
    made.wait_until(lambda: items(made) == 33, START_SECONDS)
    yield made
    made.kill()
    made.client.close()


both_engines = pytest.mark.parametrize("newsroom", ["sqlite", "postgresql"], indirect=True)


def items(service: Service, feed: str = "all") -> int:
    return service.get(f"/feeds/{feed}.rss").text.count("<item>")


def degraded(service: Service) -> list[str]:
    found: list[str] = service.get("/readyz").json()["degraded"]
    return found


def is_held(service: Service) -> bool:
    return degraded(service) == ["removals-held"]


@both_engines
def test_emptied_folder_withdraws_nothing_until_it_is_confirmed(newsroom: Service) -> None:
    before = newsroom.feeds()
    away = newsroom.folder / "away"
    newsroom.content.rename(away)
    newsroom.content.mkdir()  # as when a disk isn't mounted
    newsroom.wait_until(lambda: is_held(newsroom), 15)
    assert newsroom.get("/readyz").json()["remedies"] == {"removals-held": "feedsvc refresh --allow-removals"}
    metrics = newsroom.get("/metrics").text
    assert 'feedsvc_degraded{condition="removals-held"} 1.0' in metrics
    assert "feedsvc_held_stories 33.0" in metrics
    assert "feedsvc refresh --allow-removals" in metrics
    status = newsroom.run("status").stdout
    assert "removals-held since " in status
    assert "33 stories stay" in status
    assert "feedsvc refresh --allow-removals" in status
    assert "world/000.md: gone since " in status
    assert len(json.loads(newsroom.run("status", "--json").stdout)["held"]) == 33
    assert "its file world/001.md is gone" in newsroom.run("explain", "world/001").stdout
    newsroom.stop()
    newsroom.start()
    assert newsroom.feeds() == before
    ran = newsroom.run("refresh")  # a look from cron changes nothing, and says what would
    assert ran.returncode == 1
    assert "`feedsvc refresh --allow-removals`" in ran.stderr
    assert "33 held" in ran.stdout
    assert newsroom.feeds() == before

    ran = newsroom.run("refresh", "--allow-removals", "world/000.md", "world/001.md")
    assert (ran.returncode, "2 removed" in ran.stdout, "31 held" in ran.stdout) == (1, True, True)
    newsroom.wait_until(lambda: items(newsroom) == 31)
    here = str(newsroom.content.relative_to(newsroom.folder) / "world")  # as named from the current directory
    assert "28 removed" in newsroom.run("refresh", "--allow-removals", here).stdout
    newsroom.wait_until(lambda: items(newsroom) == 3)
    assert is_held(newsroom)
    shutil.copytree(away / "sport", newsroom.content / "sport")
    newsroom.wait_until(lambda: degraded(newsroom) == [])
    (newsroom.content / "sport").rename(newsroom.folder / "sport")  # all that is left, however few
    newsroom.wait_until(lambda: is_held(newsroom))
    ran = newsroom.run("refresh", "--allow-removals")
    assert (ran.returncode, "3 removed" in ran.stdout) == (0, True), ran.stdout + ran.stderr
    assert "gone" not in ran.stderr
    newsroom.wait_until(lambda: items(newsroom) == 0)
    newsroom.wait_until(lambda: degraded(newsroom) == [])
    write_story(newsroom.content, "new.md", title="Zebra")
    newsroom.wait_until(lambda: "Zebra" in newsroom.get("/feeds/all.rss").text)


def test_files_deleted_in_a_loop_are_held_beyond_the_limit(newsroom: Service) -> None:
    loop = "for file in content/world/*; do rm $file; sleep 0.05; done"
    subprocess.run(["sh", "-c", loop], cwd=newsroom.folder, check=True)
    newsroom.wait_until(lambda: is_held(newsroom))
    assert 13 <= items(newsroom) < 33


def test_renamed_folder_is_nowhere_twice(newsroom: Service) -> None:
    (newsroom.content / "world").rename(newsroom.content / "globe")
    newsroom.wait_until(lambda: items(newsroom, "sections/globe") == 30)
    newsroom.wait_until(lambda: items(newsroom, "sections/world") == 0)
    assert (items(newsroom), degraded(newsroom)) == (33, [])


@both_engines
def test_folder_that_leaves_and_comes_elsewhere_seconds_later_is_a_move(newsroom: Service) -> None:
    away = newsroom.folder / "away"
    (newsroom.content / "world").rename(away)
    newsroom.wait_until(lambda: is_held(newsroom))
    assert items(newsroom) == 33
    away.rename(newsroom.content / "globe")
    newsroom.wait_until(lambda: items(newsroom, "sections/globe") == 30)
    newsroom.wait_until(lambda: items(newsroom, "sections/world") == 0)
    newsroom.wait_until(lambda: degraded(newsroom) == [])
    assert items(newsroom) == 33


def test_single_story_is_deleted_within_a_second(newsroom: Service) -> None:
    (newsroom.content / "world/000.md").unlink()
    newsroom.wait_until(lambda: items(newsroom) == 32, 1)


def test_every_file_may_say_that_its_story_is_withdrawn(newsroom: Service) -> None:
    for number in range(30):
        write_story(newsroom.content, f"world/{number:03}.md", status="withdrawn")
    newsroom.wait_until(lambda: items(newsroom) == 3)
    assert degraded(newsroom) == []


def test_missing_content_folder_is_told_by_status_and_readyz(newsroom: Service) -> None:
    before = newsroom.feeds()
    newsroom.content.rename(newsroom.folder / "away")
    newsroom.wait_until(lambda: degraded(newsroom) == ["content-missing"], 10)
    assert "content-missing since " in (status := newsroom.run("status").stdout)
    assert f"{newsroom.content}: there is no such folder" in status
    assert newsroom.run("refresh", "--allow-removals").returncode == 2
    assert newsroom.feeds() == before
    (newsroom.folder / "away").rename(newsroom.content)
    newsroom.wait_until(lambda: degraded(newsroom) == [], 10)
    assert newsroom.feeds() == before


def test_refresh_from_cron_holds_and_tells_who_asks(service: Service) -> None:
    for number in range(30):
        write_story(service.content, f"world/{number:03}.md")
    assert service.run("refresh").returncode == 0
    shutil.rmtree(service.content / "world")
    ran = service.run("refresh", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["held"]) == (1, 30)
    assert "30 stories stay" in ran.stderr
    service.content.rmdir()
    assert service.run("refresh").returncode == 2
    assert "content-missing" in service.run("status").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("world",), "a path goes with --allow-removals"),
        (("--allow-removals", "wrold"), "no story was ever read from 'wrold'"),
        (("--allow-removals", "../elsewhere"), "no story was ever read from '../elsewhere'"),
    ],
)
def test_path_that_means_nothing_is_refused(service: Service, arguments: tuple[str, ...], told: str) -> None:
    write_story(service.content, "world/a.md")
    service.run("refresh")
    ran = service.run("refresh", *arguments)
    assert (ran.returncode, told in ran.stderr) == (2, True), ran.stderr


def test_path_that_could_be_two_places_is_refused(service: Service) -> None:
    write_story(service.content, "content/a.md")
    write_story(service.content, "b.md")
    service.run("refresh")
    ran = service.run("refresh", "--allow-removals", "content")
    assert ran.returncode == 2
    assert "'content' could be two places" in ran.stderr
    (service.content / "content/a.md").unlink()
    ran = service.run("refresh", "--allow-removals", "./content/content")
    assert (ran.returncode, "1 removed" in ran.stdout) == (0, True)


def test_guard_that_is_turned_off_holds_nothing(service: Service) -> None:
    service.config.write_text(service.config.read_text() + '[content]\nremovals = "all"\n')
    for number in range(30):
        write_story(service.content, f"world/{number:03}.md")
    service.run("refresh")
    shutil.rmtree(service.content / "world")
    ran = service.run("refresh")
    assert (ran.returncode, "30 removed" in ran.stdout) == (0, True)
