"""What an operator does to a service, and what happens to one."""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Service
from tests.stories import write_story


@pytest.fixture
def second(service: Service) -> Iterator[Service]:
    """Another service on the same folder and port."""
    made = Service(service.folder)
    made.port, made.log = service.port, service.folder / "second.log"
    yield made
    made.kill()


def kill_workers(service: Service) -> None:
    for pid in service.processes()[1:]:
        os.kill(pid, signal.SIGKILL)


def answers(service: Service, path: str = "/feeds/all.rss") -> bool:
    return service.get(path).status_code == 200


def test_worker_command_ends_in_order_on_either_signal(service: Service) -> None:
    write_story(service.content, "a.md")
    for sign in (signal.SIGTERM, signal.SIGINT):
        service.start(command="worker", ready=False)
        service.wait_until(lambda: "refreshed" in service.log.read_text(), 15)
        assert service.stop(sign) < 5
        assert service.process is not None
        assert service.process.returncode == 0
        assert "stopping" in service.log.read_text()
        service.log.write_text("")
        write_story(service.content, "b.md", title=sign.name)


def test_signal_while_starting_ends_it_in_order(service: Service) -> None:
    for pause in (0.8, 1.2, 1.6):
        service.start(ready=False)
        time.sleep(pause)
        assert service.stop() < 5


@pytest.mark.parametrize("as_script", [False, True])
def test_worker_holds_what_serving_feeds_takes_and_no_more(service: Service, as_script: bool) -> None:
    write_story(service.content, "a.md")
    script = service.folder / "feedsvc"
    script.write_text("from feedsvc.cli.main import main\n\nif __name__ == '__main__':\n    main()\n")
    service.start(program=(sys.executable, str(script))) if as_script else service.start()
    assert answers(service)
    (worker,) = (pid for pid in service.processes() if b"server.worker" in _proc(pid, "cmdline"))
    libraries = _proc(worker, "maps")
    assert b"uvloop" in libraries
    # What renders feeds and stories: the commands import it.
    assert not [name for name in (b"lxml", b"nh3", b"pyromark") if name in libraries]
    assert b"MALLOC_ARENA_MAX=1\0" in _proc(worker, "environ")
    assert service.get("/feeds.opml").status_code == service.get("/stories/a").status_code == 200


def _proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def test_web_and_worker_share_a_store(service: Service, second: Service) -> None:
    write_story(service.content, "a.md", title="Zebra")
    second.start(command="worker", ready=False)
    service.start(command="web")
    service.wait_until(lambda: "Zebra" in service.get("/feeds/all.rss").text)
    write_story(service.content, "b.md", title="Okapi")
    service.wait_until(lambda: "Okapi" in service.get("/feeds/all.rss").text)


def test_taken_port_is_refused_with_exit_code_2(service: Service, second: Service) -> None:
    service.start()
    second.start(ready=False)
    assert second.process is not None
    assert second.process.wait(timeout=15) == 2
    assert f"cannot listen at 127.0.0.1:{service.port}" in second.log.read_text()


def test_of_two_services_started_at_once_one_gets_the_port(service: Service, second: Service) -> None:
    write_story(service.content, "a.md")
    service.start(ready=False)
    second.start(ready=False)
    started = [service.process, second.process]

    def codes() -> set[int | None]:
        return {process.poll() for process in started if process is not None}

    service.wait_until(lambda: codes() == {None, 2}, 20)
    service.wait_until(lambda: answers(service), 20)
    assert codes() == {None, 2}


def test_host_may_be_a_name(service: Service) -> None:
    write_story(service.content, "a.md")
    service.start("--host", "localhost")
    assert answers(service)


def test_worker_comes_back_while_its_configuration_file_is_broken(service: Service) -> None:
    write_story(service.content, "a.md")
    service.start()
    service.config.write_text(service.config.read_text() + "\n[nonsense\n")
    kill_workers(service)
    service.wait_until(lambda: answers(service), 15)


def test_worker_comes_back_while_the_store_is_being_written(service: Service) -> None:
    write_story(service.content, "a.md")
    service.start()
    with closing(sqlite3.connect(service.folder / "var" / "feedsvc.db", isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        kill_workers(service)
        service.wait_until(lambda: answers(service), 15)
        held.execute("ROLLBACK")


def test_store_that_was_moved_away_is_made_anew(service: Service) -> None:
    write_story(service.content, "a.md", title="Zebra")
    service.config.write_text(service.config.read_text() + '[schedule]\nrefresh = "1s"\n')
    service.start()
    before = service.feeds()
    for file in (service.folder / "var").iterdir():
        file.unlink()
    time.sleep(2.5)
    kill_workers(service)
    service.wait_until(lambda: service.feeds() == before, 20)
    write_story(service.content, "b.md", title="Okapi")
    service.wait_until(lambda: "Okapi" in service.get("/feeds/all.rss").text, 5)


def test_two_workers_count_together(service: Service) -> None:
    write_story(service.content, "a.md")
    service.start("--workers", "2")
    for _ in range(40):
        httpx.get(f"http://127.0.0.1:{service.port}/feeds/all.rss")  # a connection each, to either worker
    time.sleep(1.5)
    for _ in range(6):
        text = httpx.get(f"http://127.0.0.1:{service.port}/metrics").text
        assert 'feedsvc_feed_requests_total{format="rss",status="200"} 40.0' in text


def test_refresh_says_what_is_set_aside_every_time(service: Service) -> None:
    write_story(service.content, "a.md")
    assert service.run("refresh").returncode == 0
    write_story(service.content, "bad.md", date="yesterday")
    for _ in range(2):
        ran = service.run("refresh", "--json")
        assert ran.returncode == 1
        assert '"quarantined": 1' in ran.stdout
        assert "bad.md:3: " in ran.stderr
    assert "bad.md:3: " in service.run("status").stdout
    assert '"quarantined": ["bad.md:3: ' in service.run("status", "--json").stdout


def test_configuration_errors_and_missing_folders_exit_with_2(service: Service) -> None:
    service.content.rmdir()
    ran = service.run("refresh")
    assert ran.returncode == 2
    assert "is no folder" in ran.stderr
    service.config.write_text("[site]\nnmae = 'x'\n")
    for command in ("serve", "web", "worker", "refresh", "check", "status"):
        ran = service.run(command)
        assert ran.returncode == 2
        assert "config.toml:2: site.nmae: unknown key; did you mean name?" in ran.stderr


def test_commands_work_from_anywhere(service: Service) -> None:
    write_story(service.content, "a.md")
    folder = service.folder
    service.folder = folder.parent
    assert service.run("refresh").returncode == 0
    assert (folder / "var" / "feedsvc.db").exists()


def test_imported_story_that_was_edited_is_kept(service: Service) -> None:
    page = service.folder / "page.txt"
    page.write_text(
        "Story\n\nFerry talks resume\n\nANTWERP, February 3, 2026\n\nThe talks resumed on Tuesday.\n\n"
        "Nobody left early. - Northwire\n\nTags: Ferries |\n\nMore WORLD NEWS Stories\n",
        "utf-8",
    )
    first = service.run("import", "page", str(page))
    assert (first.returncode, first.stderr) == (0, "")
    (story,) = service.content.rglob("*.md")
    story.write_text(story.read_text().replace("Tuesday", "Wednesday"))
    assert "kept as it is" in service.run("import", "page", str(page)).stdout
    assert "Wednesday" in story.read_text()
    assert "written" in service.run("import", "page", str(page), "--force").stdout
    assert "Wednesday" not in story.read_text()


def test_name_that_nobody_has_is_told_by_every_command(service: Service) -> None:
    service.config.write_text(
        service.config.read_text().replace('"sport"', '"Sport"') + '[sources.retuers]\npublic = "none"\n'
    )
    write_story(service.content, "a.md", section="Sport", source="Reuters")
    told = "sources.retuers: no story has the source 'retuers', so that it has no effect; "
    told += "did you mean 'reuters'?"
    line = service.config.read_text().splitlines().index("[sources.retuers]") + 1
    checked = service.run("check")
    assert checked.returncode == 1
    assert f"{service.config}:{line}: name-unknown: {told}" in checked.stdout
    service.start()
    service.wait_until(lambda: service.get("/readyz").json()["degraded"] == ["names-unknown"])
    assert 'feedsvc_degraded{condition="names-unknown"} 1.0' in service.get("/metrics").text
    assert f"{service.config}:{line}: {told}" in service.run("status").stdout
    assert service.log.read_text().count('"name_unknown"') == 1
    service.stop()
    service.config.write_text(service.config.read_text().replace("retuers", "Reuters"))
    service.start()
    service.wait_until(lambda: service.get("/readyz").json()["degraded"] == [])
    assert "name-unknown" not in service.run("check").stdout
