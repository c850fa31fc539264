"""Stories that are pushed to a running service: out within a second, and nothing that breaks it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Service

SCHEMATHESIS = Path(__file__).parent / "schemathesis"
SOON = 1.0  # seconds


@pytest.fixture(params=["sqlite", "postgresql"])
def newsdesk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service on each engine in turn."""
    sqlite = "sqlite:///var/feedsvc.db"
    store = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = Service(tmp_path, store).start("--workers", "1")
    yield made
    made.kill()
    made.client.close()


def with_token(service: Service) -> dict[str, str]:
    """Make a token as a newsroom does; the header field that shows it, once the service knows it."""
    made = service.run("token", "create", "cms", "--scope", "write")
    assert made.returncode == 0, made.stderr
    fields = {"Authorization": f"Bearer {made.stdout.strip()}"}
    service.wait_until(lambda: service.client.get("/api/articles/a", headers=fields).status_code == 404)
    return fields


def test_pushed_story_is_in_the_feeds_within_a_second_and_out_again(newsdesk: Service) -> None:
    fields = with_token(newsdesk)
    story = {"title": "Harbour talks resume", "section": "World", "published": "2026-02-11T14:00:00+01:00"}
    assert newsdesk.client.put("/api/articles/talks", json=story, headers=fields).status_code == 201
    feeds = ("/feeds/all.rss", "/feeds/sections/world.json")
    newsdesk.wait_until(lambda: all("Harbour" in newsdesk.get(feed).text for feed in feeds), SOON)
    assert newsdesk.client.delete("/api/articles/talks", headers=fields).status_code == 200
    newsdesk.wait_until(lambda: not any("Harbour" in newsdesk.get(feed).text for feed in feeds), SOON)
    assert newsdesk.get("/stories/talks").status_code == 410


def test_batch_is_in_the_feeds_within_a_second_of_its_answer(newsdesk: Service) -> None:
    fields = with_token(newsdesk) | {"Content-Type": "application/x-ndjson"}
    lines = [{"id": f"s/{n}", "title": f"Story {n}.", "section": "World"} for n in range(1_500)]

    def body() -> Iterator[bytes]:  # sent in chunks, by a client that reads nothing before it has sent all
        for line in lines:
            yield json.dumps(line).encode() + b"\n"

    answer = newsdesk.client.post("/api/articles", content=body(), headers=fields, timeout=30)
    answers = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["status"] for one in answers] == [201] * 1_500
    newsdesk.wait_until(lambda: "Story 1" in newsdesk.get("/feeds/sections/world.rss").text, SOON)


def test_no_token_is_in_the_log(service: Service) -> None:
    service.start()
    fields = with_token(service)
    secret = fields["Authorization"].split()[1]
    wrong = {"Authorization": "Bearer a-token-of-nobody"}
    service.client.put("/api/articles/a", json={"title": "T"}, headers=fields)
    told = service.client.put("/api/articles/a", json={"title": 5}, headers=fields).text
    told += service.client.get("/api/articles/a", headers=wrong).text
    service.stop()
    assert "story_pushed" in service.log.read_text()
    for hidden in (secret, "a-token-of-nobody"):
        assert hidden not in service.log.read_text() + told


@pytest.mark.timeout(600)
def test_schemathesis_finds_no_error_of_ours_and_no_violation(newsdesk: Service) -> None:
    began = time.monotonic()
    token = with_token(newsdesk)["Authorization"]
    origin = f"http://127.0.0.1:{newsdesk.port}"
    environment = os.environ | {"PYTHONPATH": str(SCHEMATHESIS), "SCHEMATHESIS_HOOKS": "hooks"}
    command = [
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("--config-file", str(SCHEMATHESIS / "schemathesis.toml")),
        *("run", f"{origin}/api/openapi.json", "--url", origin, "--header", f"Authorization: {token}"),
        # The same requests each time: what others would find is for who looks for it with another seed.
        *("--seed", "1", "--generation-deterministic", "--max-examples", "25", "--no-color"),
        # They tell how easily values are made that fit the patterns, and nothing of the API.
        *("--suppress-health-check", "all"),
    ]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=500,
        env=environment,
        cwd=newsdesk.folder,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-6_000:] + ran.stderr[-2_000:]
    assert "5 selected / 5 total" in ran.stdout
    assert '"level":"error"' not in newsdesk.log.read_text()
    assert time.monotonic() - began < 240
