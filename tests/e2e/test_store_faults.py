"""The store's file is deleted, replaced, damaged, full or may only be read, under a running service."""

import json
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import missing
from tests.e2e.conftest import Service
from tests.stories import write_story

FEED = "/feeds/all.rss"
LATER = "/feeds/tags/rail.atom"


class Desk:
    """A newsroom's system that pushes stories to a service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.token = service.run("token", "create", "desk", "--scope", "write").stdout.strip()

    def put(self, name: str, title: str) -> httpx.Response:
        fields = {"Authorization": f"Bearer {self.token}"}
        return self.service.client.put(
            f"/api/articles/{name}", json={"title": title}, headers=fields, timeout=40
        )


def started(service: Service, *options: str, config: str = "") -> Desk:
    """A service with some stories, whose feed of everything is in memory of each worker."""
    for number in range(20):
        section = "Sport" if number == 1 else "World"
        write_story(service.content, f"s{number}.md", title=f"Story {number}", section=section, tags="[Rail]")
    service.config.write_text(service.config.read_text() + config)
    service.start(*options)
    desk = Desk(service)
    service.wait_until(lambda: desk.put("first", "Zebra").status_code in {200, 201}, 10)
    service.wait_until(lambda: "Zebra" in service.get(FEED).text, 5)
    for _ in range(30):
        httpx.get(f"http://127.0.0.1:{service.port}{FEED}")
    return desk


def readiness(service: Service, query: str = "") -> tuple[int, list[str]]:
    answer = service.get(f"/readyz{query}")
    told = answer.json()
    return answer.status_code, told["degraded"]


def lines(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]


def assert_quiet(service: Service, before: int, at_most: int = 25) -> None:
    """The log says what happened in few lines, each of them an event."""
    text = service.log.read_text()
    assert "Traceback" not in text
    assert "sqlalche" not in text
    new = lines(service)[before:]
    assert len(new) <= at_most, new


# -- the file is gone --------------------------------------------------------------------------------------


def delete_folder(var: Path) -> None:
    shutil.rmtree(var)


def delete_file(var: Path) -> None:
    (var / "feedsvc.db").unlink()


def empty_folder(var: Path) -> None:
    shutil.rmtree(var)
    var.mkdir()


def move_away(var: Path) -> None:
    var.rename(var.with_name("var-before"))


def empty_file(var: Path) -> None:
    (var / "feedsvc.db").unlink()
    (var / "feedsvc.db").touch()


@pytest.mark.parametrize("happen", [delete_folder, delete_file, empty_folder, move_away, empty_file])
def test_store_that_is_deleted_is_made_anew(service: Service, happen: Callable[[Path], None]) -> None:
    """Feeds are answered all the while; no push is accepted that isn't kept."""
    desk = started(service, "--workers", "2")
    (service.content / "s0.md").unlink()  # so that a feed is not as at the first load
    service.wait_until(lambda: ">Story 0<" not in service.get(FEED).text, 5)
    before = len(lines(service))
    happen(service.folder / "var")
    accepted, answers = list[str](), set[int]()
    until = time.monotonic() + 4
    while time.monotonic() < until:
        if 401 not in answers:  # its token was in the store alone
            name = f"p{len(accepted)}-{secrets.token_hex(2)}"
            answer = desk.put(name, "Okapi")
            answers.add(answer.status_code)
            if answer.status_code in {200, 201}:
                accepted.append(name)
        for _ in range(2):
            assert httpx.get(f"http://127.0.0.1:{service.port}{FEED}").status_code == 200
            assert httpx.get(f"http://127.0.0.1:{service.port}{LATER}").status_code == 200
    assert accepted == [], "what is accepted is lost"
    assert answers <= {503, 401}
    assert service.get("/readyz").status_code == 200
    service.wait_until(lambda: "Zebra" not in service.get(FEED).text, 10)  # it was in the store alone
    with closing(sqlite3.connect(service.folder / "var" / "feedsvc.db")) as store:
        assert store.execute("SELECT count(*) FROM articles").fetchone() == (19,)
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    write_story(service.content, "late.md", title="Gnu")
    service.wait_until(lambda: "Gnu" in service.get(FEED).text, 5)
    again = Desk(service)
    service.wait_until(lambda: again.put("late-push", "Quagga").status_code == 201, 5)
    for _ in range(10):
        service.wait_until(lambda: "Quagga" in httpx.get(f"http://127.0.0.1:{service.port}{FEED}").text, 5)
    assert readiness(service, "?strict=1") == (200, [])
    assert "kill -HUP" not in service.run("status").stderr
    assert_quiet(service, before)


def test_store_is_made_anew_only_once_the_content_folder_is_back(service: Service) -> None:
    """A disk that isn't mounted takes both: it must not empty the feeds."""
    started(service)
    assert service.get(LATER).status_code == 200
    away = service.content.with_name("away")
    service.content.rename(away)
    shutil.rmtree(service.folder / "var")
    time.sleep(3)
    for path in (FEED, LATER):
        assert "Story 7" in service.get(path).text
    away.rename(service.content)
    service.wait_until(lambda: (service.folder / "var" / "feedsvc.db").exists(), 10)
    service.wait_until(lambda: "Zebra" not in service.get(FEED).text, 10)
    assert "Story 7" in service.get(FEED).text


def test_worker_that_starts_without_a_store_waits_for_it(service: Service) -> None:
    started(service)
    away = service.folder / "away"
    (service.folder / "content").rename(away)
    shutil.rmtree(service.folder / "var")
    for pid in service.processes()[1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    service.wait_until(lambda: service.get(FEED).status_code == 503, 10)
    assert readiness(service) == (503, ["store-missing"])
    assert "Traceback" not in service.log.read_text()
    away.rename(service.content)
    service.wait_until(lambda: "Story 7" in service.get(FEED).text, 15)


# -- it can't be written -----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(service: Service) -> Iterator[Path]:
    """The folder of the store is a disk of its own, of 12 MB."""
    var = service.folder / "var"
    var.mkdir()
    options = ["-t", "tmpfs", "-o", "size=12m", "tmpfs", str(var)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        missing("the right to mount a file system")
    yield var
    service.kill()
    subprocess.run(["umount", "-l", str(var)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    yield
    filler.unlink()


@contextmanager
def read_only(var: Path) -> Iterator[None]:
    """What is open can't be written, either; but for SQLite's shared memory, for which we were killed."""
    files = [str(var / "feedsvc.db"), str(var / "feedsvc.db-wal")]
    if subprocess.run(["chattr", "+i", *files], capture_output=True, check=False).returncode:
        missing("a file system with files that nobody may change (chattr +i)")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)


def test_full_disk_is_said_and_gone_on_from(service: Service, small_disk: Path) -> None:
    desk = started(service)
    before = len(lines(service))
    with full(small_disk):
        answers = {desk.put(f"p{number}", f"Okapi {'x' * 3000}").status_code for number in range(400)}
        assert 503 in answers
        write_story(service.content, "late.md", title="Gnu")
        time.sleep(4)
        assert service.get(FEED).status_code == 200
        assert readiness(service) == (200, ["store-full"])
        assert readiness(service, "?strict=1") == (503, ["store-full"])
        assert 'feedsvc_degraded{condition="store-full"} 1.0' in service.get("/metrics").text
        told = service.run("status")
        assert "its disk is full; make room" in told.stdout + told.stderr
    service.wait_until(lambda: "Gnu" in service.get(FEED).text, 35)
    assert desk.put("after", "Quagga").status_code == 201
    service.wait_until(lambda: "Quagga" in service.get(FEED).text, 5)
    service.wait_until(lambda: readiness(service) == (200, []), 5)
    kept = sum(line.get("event") == "story_pushed" for line in lines(service)[before:])
    assert_quiet(service, before, at_most=40 + kept)


def test_read_only_store_is_said_and_gone_on_from(service: Service) -> None:
    desk = started(service)
    before = len(lines(service))
    with read_only(service.folder / "var"):
        assert desk.put("p", "Okapi").status_code == 503
        assert service.get(FEED).status_code == 200
        assert readiness(service) == (200, ["store-read-only"])
        told = service.run("status")
        assert "it may only be read" in told.stdout + told.stderr
    service.wait_until(lambda: desk.put("after", "Quagga").status_code == 201, 5)
    service.wait_until(lambda: "Quagga" in service.get(FEED).text, 35)
    assert_quiet(service, before)


# -- it is damaged, newer, missing -------------------------------------------------------------------------


def empty_log(file: Path) -> None:
    with closing(sqlite3.connect(file)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def damage(file: Path) -> None:
    """Half of its pages, every other one, in place."""
    empty_log(file)
    with file.open("r+b") as pages:
        for place in range(8192, file.stat().st_size, 2 * 8192):
            pages.seek(place)
            pages.write(secrets.token_bytes(8192))


def damage_header(file: Path) -> None:
    empty_log(file)
    with file.open("r+b") as pages:
        pages.write(secrets.token_bytes(4096))


def cut_off(file: Path) -> None:
    empty_log(file)
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("harm", [damage, damage_header, cut_off])
def test_damaged_store_is_told_from_a_good_one(service: Service, harm: Callable[[Path], None]) -> None:
    """Ready while feeds come from memory, and not once they can't be had."""
    started(service)
    file = service.folder / "var" / "feedsvc.db"
    before = len(lines(service))
    harm(file)
    for _ in range(5):
        service.get(LATER)
    assert service.get(FEED).status_code == 200
    if harm is not damage_header:  # which open connections have in memory
        service.wait_until(lambda: "store-damaged" in readiness(service)[1], 5)
        assert readiness(service, "?strict=1")[0] == 503
    assert readiness(service)[0] == 200
    told = service.run("status")
    assert told.returncode == 2
    assert "it is damaged" in told.stderr
    assert "move the file away" in told.stderr
    if harm is not damage:  # a part of its pages, where pushed stories may not be
        assert "it is damaged" in service.run("check").stderr
    for command in (["token", "list"], ["recalls"], ["deliveries"], ["explain", "s1"], ["refresh"]):
        told = service.run(*command)
        assert "Traceback" not in told.stderr + told.stdout, command
        assert "sqlalche" not in told.stderr
    for pid in service.processes()[1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    service.wait_until(lambda: service.get(FEED).status_code == 503, 10)
    service.wait_until(lambda: readiness(service) == (503, ["store-damaged"]), 5)
    assert_quiet(service, before)


def test_commands_say_what_to_do_about_a_store(service: Service) -> None:
    write_story(service.content, "a.md")
    told = service.run("status")
    assert (told.returncode, told.stdout) == (2, "")
    assert "it has not been made yet; `feedsvc serve`, `worker` or `refresh` makes it" in told.stderr
    assert not (service.folder / "var").exists(), "who asks makes none"
    assert service.run("refresh").returncode == 0
    file = service.folder / "var" / "feedsvc.db"
    with closing(sqlite3.connect(file)) as store:
        store.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
        store.commit()
    for command in ("status", "serve"):
        told = service.run(command)
        assert told.returncode == 2
        assert "it has schema 99, of a newer feedsvc" in told.stderr
        assert "Install that version again" in told.stderr
    file.unlink()
    file.mkdir()
    for command in ("status", "serve"):
        told = service.run(command)
        assert (told.returncode, len(told.stderr.splitlines())) == (2, 1), told.stderr
        assert "it can't be opened; see that its folder is there" in told.stderr


@pytest.mark.parametrize("command", ["status", "refresh", "serve", "web", "worker", "token"])
def test_commands_say_that_the_database_can_t_be_reached(service: Service, command: str) -> None:
    url = "postgresql://nobody:secret@127.0.0.1:1/news"
    service.config.write_text(service.config.read_text().replace("sqlite:///var/feedsvc.db", url))
    told = service.run(*(("token", "list") if command == "token" else (command,)))
    assert told.returncode == 2
    assert "PostgreSQL can't be reached; see that it runs" in told.stderr
    assert "secret" not in told.stderr
    assert len(told.stderr.splitlines()) == 1, told.stderr
