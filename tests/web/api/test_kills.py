"""A kill sticks: what was withdrawn, or is newer, is not undone by what knows nothing of it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.config import file as config_file
from feedsvc.domain.selection import Rules
from feedsvc.store import articles
from feedsvc.store.engine import Store
from feedsvc.web.app import application
from tests.conftest import Clock
from tests.stories import write_story
from tests.web.api.test_routes import CONFIG, KEY, Desk, assert_problem, note_token

pytestmark = pytest.mark.slow

PLACE = "articles/world/talks"
EARLY, LATE = "2026-11-22T09:00:00Z", "2026-11-22T10:30:00Z"


@pytest.fixture
def desk(store_url: str, store: Store, rules: Rules, clock: Clock, tmp_path: Path) -> Desk:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    config = config_file.load(file, {"FEEDSVC_STORE_URL": store_url})
    note_token(store, KEY)
    return Desk(
        application(config, store, clock=clock).test_client(), store, rules, clock, tmp_path / "content"
    )


def status_of(desk: Desk, story: str = "world/talks") -> str | None:
    with desk.store.read() as connection:
        found = articles.get(connection, story)
    return found.status if found else None


def kill(desk: Desk) -> str:
    """A story is pushed in a batch and withdrawn by somebody else; the version that is there then."""
    desk.batch({"id": "world/talks", "title": "Libel"})
    tag: str = desk.ask("DELETE", f"{PLACE}?reason=Libel").headers["ETag"]
    return tag


# -- withdrawn stories -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{}, {"status": "published"}, {"status": "draft"}, {"access": "internal"}])
def test_batch_sent_again_does_not_undo_a_withdrawal(desk: Desk, fields: dict[str, Any]) -> None:
    tag = kill(desk)
    (answer,) = desk.batch({"id": "world/talks", "title": "Libel"} | fields)
    assert (answer["status"], answer["etag"], answer["problem"]["etag"]) == (409, tag, tag)
    assert "?restore=true" in answer["problem"]["detail"]
    assert tag in answer["problem"]["detail"]
    refused = desk.put(**fields)
    assert assert_problem(refused, 409, "restore=true")["etag"] == refused.headers["ETag"] == tag
    assert status_of(desk) == "withdrawn"


@pytest.mark.parametrize("match", ["*", '"0"', "W/{tag}"])
def test_precondition_that_names_no_such_version_brings_nothing_back(desk: Desk, match: str) -> None:
    tag = kill(desk)
    written = match.format(tag=tag)
    refused = desk.put(headers={"If-Match": written})
    assert_problem(refused, 409 if match == "*" else 412)
    assert refused.headers["ETag"] == tag
    (answer,) = desk.batch({"id": "world/talks", "title": "Libel", "if_match": written})
    assert answer["status"] == refused.status_code
    assert status_of(desk) == "withdrawn"


def test_request_that_says_so_brings_a_withdrawn_story_back(desk: Desk) -> None:
    for number in range(6):
        tag = kill(desk) if number == 0 else desk.ask("DELETE", PLACE).headers["ETag"]
        line = {"id": "world/talks", "title": f"True {number}"}
        if number == 0:
            assert desk.put(headers={"If-Match": tag}).status_code == 200
        elif number == 1:
            assert desk.put("world/talks?restore=true").status_code == 200
        elif number in (2, 3):
            written = tag if number == 2 else tag.strip('"')
            assert [one["status"] for one in desk.batch(line | {"if_match": written})] == [200]
        elif number == 4:
            assert desk.put(headers={"If-Match": f'"0", {tag}'}).status_code == 200
        else:
            answer = desk.ask(
                "POST",
                "articles?restore=true",
                data=json.dumps(line),
                content_type="application/x-ndjson",
            )
            assert json.loads(answer.data)["status"] == 200
        assert status_of(desk) == "published"


def test_same_withdrawal_may_be_sent_again(desk: Desk) -> None:
    tag = kill(desk)
    line = {"id": "world/talks", "title": "Libel", "withdrawal": "Libel", "published": "2026-11-22T12:00:00Z"}
    for _ in range(2):
        assert desk.ask("DELETE", f"{PLACE}?reason=Libel").headers["ETag"] == tag
        assert [(one["status"], one["etag"]) for one in desk.batch(line)] == [(200, tag)]
        shown = desk.ask("GET", PLACE)
        assert desk.ask("PUT", PLACE, json=shown.json).headers["ETag"] == tag


def test_line_of_a_batch_does_not_undo_a_withdrawal_above_it(desk: Desk) -> None:
    lines = [{"title": "Libel"}, {"title": "Libel", "status": "withdrawn"}, {"title": "Libel"}]
    answers = desk.batch(*({"id": "world/talks"} | line for line in lines))
    assert [one["status"] for one in answers] == [201, 200, 409]
    assert status_of(desk) == "withdrawn"


def test_story_withdrawn_and_removed_by_its_file_is_not_pushed_back(desk: Desk) -> None:
    file = write_story(desk.root, "world/talks.md")
    desk.scan()
    write_story(desk.root, "world/talks.md", status="withdrawn")
    desk.scan()
    file.unlink()
    desk.scan()
    assert status_of(desk) is None
    assert_problem(desk.put(), 409, "restore=true")
    assert desk.put("world/talks?restore=true").status_code == 201


# -- files -------------------------------------------------------------------------------------------------


def test_file_that_loses_its_status_brings_its_story_back(desk: Desk) -> None:
    write_story(desk.root, "world/talks.md", status="withdrawn")
    desk.scan()
    write_story(desk.root, "world/talks.md", title="True")
    desk.scan()
    assert (status_of(desk), desk.quarantine()) == ("published", {})


@pytest.mark.parametrize("is_files", [True, False])
def test_forced_files_bring_no_story_back_that_the_api_withdrew(desk: Desk, is_files: bool) -> None:
    write_story(desk.root, "world/talks.md", title="Libel")
    if is_files:
        desk.scan()
    else:
        desk.put(title="Libel")
        desk.scan()
    assert desk.ask("DELETE", f"{PLACE}?force=true&reason=Libel").status_code == 200
    for _ in range(2):
        desk.scan(force=True)
        os.utime(desk.root / "world/talks.md")
        assert status_of(desk) == "withdrawn"
    assert "feedsvc refresh --force" in desk.quarantine()["world/talks.md"]
    write_story(desk.root, "world/talks.md", title="True", status="published")
    desk.scan()
    assert status_of(desk) == "withdrawn"
    desk.scan(force=True)
    assert (status_of(desk), desk.quarantine()) == ("published", {})


def test_batch_that_takes_files_over_does_not_undo_their_withdrawal(desk: Desk) -> None:
    write_story(desk.root, "world/talks.md", status="withdrawn")
    desk.scan()
    assert_problem(desk.put("world/talks?force=true"), 409, "restore=true")
    assert status_of(desk) == "withdrawn"
    assert desk.put("world/talks?force=true&restore=true").status_code == 200


# -- what is older -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dated", [{"updated": LATE}, {}])
def test_line_that_is_older_does_not_undo_a_correction(desk: Desk, dated: dict[str, str]) -> None:
    line = {"id": "world/talks", "title": "Talks", "published": EARLY, "updated": EARLY}
    desk.batch(line)
    corrected = desk.put(published=EARLY, correction="It was Tuesday.", **dated)
    (answer,) = desk.batch(line)
    assert (answer["status"], answer["etag"]) == (409, corrected.headers["ETag"])
    told = answer["problem"]
    assert told["updated_sent"] == "2026-11-22T09:00:00+00:00"
    assert told["updated"] == ("2026-11-22T10:30:00+00:00" if dated else "2026-11-22T12:00:00+00:00")
    assert all(instant in told["detail"] for instant in (told["updated"], told["updated_sent"]))
    assert desk.title() == "Talks resume"


def test_client_that_has_seen_the_newer_version_may_send_an_older_one(desk: Desk) -> None:
    tag = desk.put(published=EARLY, updated=LATE).headers["ETag"]
    older = {"id": "world/talks", "title": "Older", "published": EARLY, "updated": EARLY}
    assert [one["status"] for one in desk.batch(older | {"if_match": "*"})] == [409]
    assert [one["status"] for one in desk.batch(older | {"if_match": tag})] == [200]
    assert_problem(desk.put("world/talks?restore=true", updated="2026-11-22T08:00:00Z"), 409, "older")


def test_withdrawal_is_taken_however_old_it_is(desk: Desk) -> None:
    desk.put(published=EARLY, updated=LATE)
    killed = {"id": "world/talks", "title": "T", "published": EARLY, "updated": EARLY, "status": "withdrawn"}
    assert [one["status"] for one in desk.batch(killed)] == [200]


def test_instants_that_nobody_wrote_make_nothing_older(desk: Desk) -> None:
    desk.put()  # dated by its arrival, at noon
    assert desk.put(title="A", updated="2026-11-22T11:59:00Z", published=EARLY).status_code == 200
    assert desk.put(title="B").status_code == 200
    assert desk.put(title="C", updated=EARLY, published=EARLY).status_code == 200


instants = st.none() | st.integers(0, 20).map(lambda hour: f"2026-11-21T{hour:02}:00:00Z")


@given(st.lists(instants, min_size=1, max_size=12), st.lists(st.integers(0, 11), max_size=12))
@settings(max_examples=40)
def test_batch_sent_again_takes_nothing_back_that_is_newer(
    desk: Desk, updates: list[str | None], again: list[int]
) -> None:
    """Whatever is sent again, the newest instant that a document named stays until one without any comes."""
    lines = [
        {"id": "world/talks", "title": f"T{number}", "published": "2026-11-20T00:00:00Z", "updated": instant}
        for number, instant in enumerate(updates)
    ]
    newest: str | None = None
    desk.put("world/talks?restore=true")
    for line in [*lines, *(lines[place] for place in again if place < len(lines))]:
        (answer,) = desk.batch(line)
        is_older = newest is not None and line["updated"] is not None and line["updated"] < newest
        assert answer["status"] == (409 if is_older else 200)
        newest = newest if is_older else line["updated"]


# -- which version is meant --------------------------------------------------------------------------------


def test_line_that_means_another_version_is_refused(desk: Desk) -> None:
    first = desk.put().headers["ETag"]
    second = desk.put(title="Second").headers["ETag"]
    line = {"id": "world/talks", "title": "Third"}
    for written in (first, first.strip('"'), f"W/{second}", "", "nonsense", f'{first}, "0"'):
        (answer,) = desk.batch(line | {"if_match": written})
        assert (answer["status"], answer["etag"]) == (412, second), written
    assert [one["status"] for one in desk.batch({"id": "new", "title": "T", "if_match": "*"})] == [412]
    for written in (5, ["x"]):
        assert [one["status"] for one in desk.batch(line | {"if_match": written})] == [422]
    assert desk.title() == "Second"
    assert [one["status"] for one in desk.batch(line | {"if_match": None})] == [200]
    assert [one["status"] for one in desk.batch(line | {"title": "Fourth", "if_match": "*"})] == [200]


def test_batch_as_a_whole_has_no_version(desk: Desk) -> None:
    line = json.dumps({"id": "a", "title": "T"})
    for field in ("If-Match", "If-None-Match"):
        sent = desk.ask("POST", "articles", {field: "*"}, data=line, content_type="application/x-ndjson")
        assert_problem(sent, 412, "if_match")
    assert desk.title("a") is None


# -- parameters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "query", "told"),
    [
        ("DELETE", "resaon=Libel", "did you mean reason?"),
        ("DELETE", "Reason=Libel", "did you mean reason?"),
        ("DELETE", "restore=true", "there are force and reason"),
        ("DELETE", "purge=true", "there are force and reason"),
        ("DELETE", "reason=a&reason=b", "?reason= is given 2 times"),
        ("PUT", "forced=true", "did you mean force?"),
        ("PUT", "reason=x", "there are force and restore"),
        ("PUT", "force=true&force=true", "?force= is given 2 times"),
        ("PUT", "force=true&force=false", "?force= is given 2 times"),
        ("PUT", "restore=yes", "true or false"),
        ("POST", "restor=true", "did you mean restore?"),
        ("POST", "dry_run=1", "there are force and restore"),
        ("POST", "restore=true&restore=", "?restore= is given 2 times"),
        ("POST", "=", "there are force and restore"),
    ],
)
def test_parameter_of_a_write_that_is_not_known_is_refused(
    desk: Desk, method: str, query: str, told: str
) -> None:
    tag = desk.put().headers["ETag"]
    body: dict[str, Any] = {"json": {"title": "Other"}}
    if method == "POST":
        body = {"data": '{"id": "world/talks", "title": "T"}', "content_type": "application/x-ndjson"}
    place = "articles" if method == "POST" else PLACE
    refused = desk.ask(method, f"{place}?{query}", **({} if method == "DELETE" else body))
    assert_problem(refused, 400, told)
    assert desk.ask("GET", PLACE).headers["ETag"] == tag
