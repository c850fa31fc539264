"""Processes that share a PostgreSQL store are suspended, lose their sessions, or the database itself goes."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from tests.between import Between
from tests.e2e.conftest import Service
from tests.e2e.test_store_faults import FEED, Desk, lines, readiness
from tests.stories import write_story

WITHIN = 5.0  # seconds: so long a withdrawn story may be seen that one suspended process holds
ANSWERED = 9.0  # seconds for the API


@pytest.fixture
def services(tmp_path: Path, postgres_url: str) -> Iterator[tuple[Service, Service, Service]]:
    """A web node, a worker, and another worker, on one store and one content folder; not started yet."""
    made = tuple(Service(tmp_path, store=postgres_url, config=SETTINGS) for _ in range(3))
    for name, one in zip(("web", "well", "stopping"), made, strict=True):
        one.log = tmp_path / f"{name}.log"
    yield made  # type: ignore[misc]
    for one in made:
        one.kill()
        one.client.close()


SETTINGS = '[schedule]\nrefresh = "60s"\n'


def is_suspended(service: Service) -> bool:
    assert service.process is not None
    stat = Path(f"/proc/{service.process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


def withdraw(desk: Desk, name: str) -> httpx.Response:
    fields = {"Authorization": f"Bearer {desk.token}"}
    return desk.service.client.delete(f"/api/articles/{name}", headers=fields, timeout=40)


def assert_answered(answer: httpx.Response, began: float) -> None:
    assert time.monotonic() - began < ANSWERED
    assert answer.status_code in {200, 201, 503}
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("place", ["claim", "publish", "apply", "pipeline"])
def test_suspended_worker_stops_nobody_else(
    services: tuple[Service, Service, Service], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, well, stopping = services
    for number in range(5):
        write_story(web.content, f"s{number}.md", title=f"Story {number}", section="Sport", tags="[Rail]")
    well.start(command="worker", ready=False)
    web.wait_until(lambda: "stories_loaded" in well.log.read_text(), 20)
    assert well.process is not None
    os.kill(well.process.pid, signal.SIGSTOP)  # so that the other one does what there is to do
    told = web.folder / "stop"
    monkeypatch.setenv("STOP_AT", place)
    monkeypatch.setenv("STOP_IF", str(told))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    stopping.start(command="worker", ready=False, program=(sys.executable, "-m", "tests.stopping"))
    web.start(command="web")
    desk = Desk(web)
    web.wait_until(lambda: desk.put("kept", "Zebra").status_code in {200, 201}, 10)
    assert desk.put("gone", "Okapi").status_code in {200, 201}
    web.wait_until(lambda: "Okapi" in web.get(FEED).text, 10)
    told.touch()
    if place == "pipeline":  # very many memberships, in one go
        tags = ", ".join(f"t{number}" for number in range(400))
        write_story(web.content, "many.md", title="Many", tags=f"[{tags}]")
    else:
        write_story(web.content, "s0.md", title="Story 0 anew", section="Sport", tags="[Rail]")
    web.wait_until(lambda: is_suspended(stopping), 20)
    os.kill(well.process.pid, signal.SIGCONT)
    began = time.monotonic()
    while (answer := withdraw(desk, "gone")).status_code == 503:
        assert_answered(answer, began)
        assert time.monotonic() - began < 15
    took = web.wait_until(lambda: "Okapi" not in web.get(FEED).text, 20)
    assert took < WITHIN
    for name in ("kept", "other"):
        began = time.monotonic()
        assert_answered(desk.put(name, "Quagga"), began)
    web.wait_until(lambda: "Story 0" in web.get("/feeds/tags/rail.rss").text, 15)
    assert stopping.process is not None
    os.kill(stopping.process.pid, signal.SIGCONT)
    well.stop()
    write_story(web.content, "s1.md", title="Gnu", section="Sport", tags="[Rail]")
    web.wait_until(lambda: "Gnu" in web.get(FEED).text, 15)
    assert "Traceback" not in stopping.log.read_text()
    assert stopping.process.poll() is None


@pytest.fixture
def between(tmp_path: Path, postgres_url: str) -> Iterator[tuple[Service, Between]]:
    """A service, not started yet, and what stands between it and its database."""
    url = make_url(postgres_url)
    made = Between(url.host or "127.0.0.1", url.port or 5432)
    behind = url.set(host="127.0.0.1", port=made.port).render_as_string(hide_password=False)
    service = Service(tmp_path, store=behind, config=SETTINGS)
    yield service, made
    service.kill()
    service.client.close()
    made.end()


def begun(service: Service) -> Desk:
    for number in range(5):
        write_story(service.content, f"s{number}.md", title=f"Story {number}", section="Sport", tags="[Rail]")
    service.start()
    desk = Desk(service)
    service.wait_until(lambda: desk.put("first", "Zebra").status_code in {200, 201}, 10)
    service.wait_until(lambda: "Zebra" in service.get(FEED).text, 10)
    return desk


def assert_goes_on(desk: Desk) -> None:
    """A push and a file are published again, and nothing is degraded."""
    service = desk.service
    service.wait_until(lambda: desk.put("after", "Quagga").status_code == 201, 15)
    service.wait_until(lambda: "Quagga" in service.get(FEED).text, 15)
    write_story(service.content, "late.md", title="Gnu", section="Sport", tags="[Rail]")
    service.wait_until(lambda: "Gnu" in service.get(FEED).text, 40)
    service.wait_until(lambda: readiness(service) == (200, []), 5)
    text = service.log.read_text()
    assert "Traceback" not in text
    assert "sqlalche" not in text
    assert len(lines(service)) < 60


def test_connections_that_are_closed_lose_nothing(between: tuple[Service, Between]) -> None:
    """As by a pooler, by a server that restarts, by pg_terminate_backend."""
    service, proxy = between
    desk = begun(service)
    accepted = list[str]()
    for number in range(20):  # twice as many stories: the feed shows 50
        proxy.close_all()
        answer = desk.put(f"p{number}", f"Okapi {number}")
        assert answer.status_code in {201, 503}
        if answer.status_code == 201:
            accepted.append(f">Okapi {number}<")
        write_story(service.content, f"f{number}.md", title=f"Gnu {number}", section="Sport")
        assert service.get(FEED).status_code == 200
        time.sleep(0.15)
    assert accepted
    wanted = [*accepted, *(f">Gnu {number}<" for number in range(20))]
    service.wait_until(lambda: all(one in service.get(FEED).text for one in wanted), 40)


def test_database_that_is_gone_for_a_while_is_gone_on_with(between: tuple[Service, Between]) -> None:
    service, proxy = between
    desk = begun(service)
    proxy.refuse()
    for _ in range(5):
        assert desk.put("p", "Okapi").status_code == 503
        assert service.get(FEED).status_code == 200
        assert readiness(service) == (200, ["store-unreachable"])
        assert readiness(service, "?strict=1") == (503, ["store-unreachable"])
        time.sleep(0.5)
    assert 'feedsvc_degraded{condition="store-unreachable"} 1.0' in service.get("/metrics").text
    told = service.run("status")
    assert told.returncode == 2
    assert "PostgreSQL" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    proxy.let_through()
    assert_goes_on(desk)


def test_database_that_hangs_keeps_nobody_waiting(between: tuple[Service, Between]) -> None:
    service, proxy = between
    desk = begun(service)
    proxy.keep_back()
    began = time.monotonic()
    assert readiness(service) == (200, ["store-unreachable"])
    assert time.monotonic() - began < 5
    answer = desk.put("p", "Okapi")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert time.monotonic() - began < 25
    assert service.get(FEED).status_code == 200
    page = service.client.get("/", timeout=40)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert readiness(service, "?strict=1") == (503, ["store-unreachable"])
    proxy.let_through()
    assert_goes_on(desk)


def test_database_made_anew_is_filled_again(postgres_url: str, service: Service) -> None:
    """Its tables are gone under a running service."""
    service.config.write_text(service.config.read_text().replace("sqlite:///var/feedsvc.db", postgres_url))
    begun(service)
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        schema = connection.execute(text("SELECT current_schema()")).scalar()
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        assert service.get(FEED).status_code == 200
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    engine.dispose()
    write_story(service.content, "late.md", title="Gnu", section="Sport", tags="[Rail]")
    service.wait_until(lambda: "Gnu" in service.get(FEED).text, 40)
    assert "Story 3" in service.get(FEED).text
