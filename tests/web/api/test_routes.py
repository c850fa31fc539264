"""The API for newsrooms: what is pushed is in the store, whose it is, and what is told of what is refused."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from sqlalchemy import text
from werkzeug.test import TestResponse

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.config import file as config_file
from feedsvc.config.schema import Config
from feedsvc.domain.model import Change
from feedsvc.domain.selection import Rules
from feedsvc.loading.rules import LoadRules
from feedsvc.refresh.refresher import Refresher
from feedsvc.refresh.scan import LoadReport
from feedsvc.store import articles, dirty, sources, tokens
from feedsvc.store.engine import Store
from feedsvc.store.tokens import Scope, Token, hashed
from feedsvc.web.app import application
from tests.conftest import Clock
from tests.ingest.test_document import documents
from tests.stories import NOON, article, write_story

CONFIG = """\
[site]
name = "The Daily Example"
url = "https://news.example.org"
authority = "news.example.org,2026"

[limits]
story = "8KB"
ingest = "100KB"
"""
KEY = "secret-of-the-cms"
Headers = dict[str, str]


class Desk:
    """A newsroom's system at the API, and the folder of stories beside it."""

    def __init__(self, client: FlaskClient, store: Store, rules: Rules, clock: Clock, root: Path) -> None:
        self.client, self.store, self.clock, self.root = client, store, clock, root
        self.rules = rules
        root.mkdir()
        self.refresher = Refresher(store, root, LoadRules(), rules, clock=clock)

    def put(self, story: str = "world/talks", headers: Headers | None = None, **written: Any) -> TestResponse:
        return self.ask("PUT", f"articles/{story}", headers, json={"title": "Talks resume"} | written)

    def ask(self, method: str, path: str, headers: Headers | None = None, **more: Any) -> TestResponse:
        fields = {"Authorization": f"Bearer {KEY}"} | (headers or {})
        return self.client.open(f"/api/{path}", method=method, headers=fields, **more)

    def batch(self, *lines: Any, **more: Any) -> list[dict[str, Any]]:
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        answer = self.ask(
            "POST", "articles", data=b"\n".join(raw), content_type="application/x-ndjson", **more
        )
        assert (answer.status_code, answer.mimetype) == (200, "application/x-ndjson")
        return [json.loads(line) for line in answer.data.splitlines()]

    def title(self, story: str = "world/talks") -> str | None:
        with self.store.read() as connection:
            found = articles.get(connection, story)
        return found.title if found else None

    def scan(self, *, force: bool = False) -> LoadReport:
        return self.refresher.scan(force=force)

    def quarantine(self) -> dict[str, str]:
        with self.store.read() as connection:
            return {one.path: one.reason for one in sources.quarantined(connection)}

    def clean(self) -> None:
        with self.store.write() as tx:
            dirty.release(tx, dirty.marked(tx))

    def dirty(self) -> list[str]:
        with self.store.read() as connection:
            return dirty.marked(connection)


def note_token(store: Store, secret: str, scope: Scope = "write") -> None:
    with store.write() as tx:
        tokens.add(tx, Token(secret[:16], hashed(secret), "cms", scope, "", NOON))


@pytest.fixture
def config(tmp_path: Path, store_url: str) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    return config_file.load(file, {"FEEDSVC_STORE_URL": store_url})


@pytest.fixture
def desk(config: Config, store: Store, rules: Rules, clock: Clock, tmp_path: Path) -> Desk:
    note_token(store, KEY)
    client = application(config, store, clock=clock).test_client()
    return Desk(client, store, rules, clock, tmp_path / "content")


def assert_problem(answer: TestResponse, status: int, told: str = "") -> dict[str, Any]:
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    body: dict[str, Any] = json.loads(answer.data)
    assert body["status"] == status
    assert told in json.dumps(body, ensure_ascii=False)
    return body


def test_story_is_made_changed_and_left_alone_if_it_is_the_same(desk: Desk) -> None:
    made = desk.put(section="World")
    assert made.status_code == 201
    assert made.headers["Location"] == "/api/articles/world/talks"
    assert desk.dirty() == ["all", "sections/world"]
    desk.clean()
    desk.clock.forward(hours=1)
    same = desk.put(section="World")
    assert (same.status_code, same.headers["ETag"], same.json) == (200, made.headers["ETag"], made.json)
    assert desk.dirty() == []
    changed = desk.put(title="Talks end")
    assert changed.headers["ETag"] != made.headers["ETag"]
    assert desk.dirty() == ["all", "sections/world"]


def test_what_is_got_can_be_put_and_changes_nothing(desk: Desk) -> None:
    @given(documents)
    @settings(max_examples=30)
    def hold(written: dict[str, Any]) -> None:
        if desk.ask("PUT", "articles/any", json=written).status_code in {409, 422}:
            return  # rights for partners there aren't, or a label of nothing but white space
        desk.clean()
        shown = desk.ask("GET", "articles/any")
        again = desk.ask("PUT", "articles/any", json=shown.json)
        assert (again.status_code, again.headers["ETag"]) == (200, shown.headers["ETag"])
        assert again.json == shown.json
        assert desk.dirty() == []

    hold()


def test_story_that_was_got_is_not_sent_again(desk: Desk) -> None:
    tag = desk.put().headers["ETag"]
    same = desk.ask("GET", "articles/world/talks", {"If-None-Match": f'"x", W/{tag}'})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
    head = desk.ask("HEAD", "articles/world/talks")
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", tag)
    assert_problem(desk.ask("GET", "articles/nowhere"), 404)


@pytest.mark.parametrize("match", ['"0"', "W/{tag}", '"0", W/{tag}', "", "{bare}"])
def test_story_that_somebody_else_changed_is_not_written_over(desk: Desk, match: str) -> None:
    tag = desk.put().headers["ETag"]
    fields = {"If-Match": match.format(tag=tag, bare=tag.strip('"'))}
    assert_problem(desk.put(headers=fields, title="Mine"), 412, tag.strip('"'))
    assert_problem(desk.ask("DELETE", "articles/world/talks", fields), 412)
    assert desk.title() == "Talks resume"


@pytest.mark.parametrize("match", ["{tag}", '"0" , {tag}', "*"])
def test_version_that_is_meant_is_written_over(desk: Desk, match: str) -> None:
    tag = desk.put().headers["ETag"]
    assert desk.put(headers={"If-Match": match.format(tag=tag)}, title="Mine").status_code == 200
    assert desk.title() == "Mine"


def test_story_is_only_made_or_only_changed_if_the_request_says_so(desk: Desk) -> None:
    assert_problem(desk.put(headers={"If-Match": "*"}), 412)
    assert desk.put(headers={"If-None-Match": "*"}).status_code == 201
    assert_problem(desk.put(headers={"If-None-Match": "*"}, title="Mine"), 412)
    assert desk.title() == "Talks resume"


def test_of_two_who_change_one_version_one_is_told(desk: Desk, config: Config) -> None:
    tag = desk.put().headers["ETag"]
    ready, statuses = Barrier(2), list[int]()

    def change(title: str) -> None:
        client = application(config, desk.store, clock=desk.clock).test_client()
        ready.wait(10)
        fields = {"Authorization": f"Bearer {KEY}", "If-Match": tag}
        for attempt in range(5):
            answer = client.put(
                "/api/articles/world/talks", json={"title": f"{title}{attempt}"}, headers=fields
            )
            statuses.append(answer.status_code)

    threads = [Thread(target=change, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[412] * 9]


def test_withdrawn_story_stays_with_its_reason_and_leaves_a_mark(desk: Desk) -> None:
    desk.put(section="World")
    desk.clock.forward(hours=1)
    gone = desk.ask("DELETE", "articles/world/talks", json={"reason": "It was wrong."})
    assert gone.json is not None
    assert (gone.status_code, gone.json["status"], gone.json["withdrawal"]) == (
        200,
        "withdrawn",
        "It was wrong.",
    )
    desk.clean()
    for again in (
        desk.ask("DELETE", "articles/world/talks"),
        desk.ask("DELETE", "articles/world/talks?reason="),
    ):
        assert (again.status_code, again.json) == (200, gone.json)
    assert desk.dirty() == []
    assert desk.client.get("/stories/world/talks").status_code == 410
    told = desk.ask("DELETE", "articles/world/talks?reason=All+wrong.").json
    assert told is not None
    assert told["withdrawal"] == "All wrong."
    assert_problem(desk.ask("DELETE", "articles/nowhere"), 404)


def test_story_of_a_file_is_not_written_over_and_who_tries_is_told_which(desk: Desk) -> None:
    write_story(desk.root, "world/talks.md", title="From the file")
    desk.scan()
    for answer in (desk.put(), desk.ask("DELETE", "articles/world/talks")):
        assert "?force=true" in assert_problem(answer, 409, "world/talks.md")["detail"]
    (refused,) = desk.batch({"id": "world/talks", "title": "Pushed"})
    assert (refused["status"], refused["id"]) == (409, "world/talks")
    assert desk.title() == "From the file"


def test_forced_story_is_taken_over_and_its_file_waits(desk: Desk) -> None:
    write_story(desk.root, "world/talks.md", title="From the file")
    desk.scan()
    assert desk.put(force := "world/talks?force=true", title="Pushed").status_code == 200, force
    assert "taken over by the API" in desk.quarantine()["world/talks.md"]
    write_story(desk.root, "world/talks.md", title="From the file, edited")
    desk.scan()
    assert "feedsvc refresh --force" in desk.quarantine()["world/talks.md"]
    assert desk.title() == "Pushed"
    (desk.root / "world/talks.md").unlink()
    desk.scan()
    assert (desk.quarantine(), desk.title()) == ({}, "Pushed")


def test_file_does_not_take_the_id_of_a_pushed_story_unless_it_is_forced_to(desk: Desk) -> None:
    desk.put(title="Pushed")
    write_story(desk.root, "world/talks.md", title="From the file")
    desk.scan()
    assert "came by the API" in desk.quarantine()["world/talks.md"]
    assert desk.title() == "Pushed"
    desk.scan(force=True)  # the file is as it was when it was read
    assert (desk.quarantine(), desk.title()) == ({}, "From the file")
    assert_problem(desk.put(), 409, "world/talks.md")


def test_pushed_story_stays_when_files_come_and_go(desk: Desk) -> None:
    desk.put("pushed", title="Pushed")
    write_story(desk.root, "other.md")
    desk.scan()
    (desk.root / "other.md").unlink()
    desk.scan()
    assert (desk.title("pushed"), desk.title("other")) == ("Pushed", None)


def test_id_that_feeds_would_write_as_anothers_is_refused(desk: Desk) -> None:
    write_story(desk.root, "world/talks.md", title="From the file")
    desk.scan()
    written = f"tag:{desk.rules.site.authority}:world/talks"
    assert_problem(desk.put(written, title="Pushed"), 409, "world/talks")
    assert_problem(desk.ask("DELETE", f"articles/{written}"), 409, "world/talks")
    assert [one["status"] for one in desk.batch({"id": written, "title": "Pushed"})] == [409]
    long = f"tag:{desk.rules.site.authority}:%C3%A9"
    assert [one["status"] for one in desk.batch({"id": long, "title": "1"}, {"id": "é", "title": "2"})] == [
        201,
        409,
    ]
    assert desk.put(quote(long), title="Again").status_code == 200
    assert_problem(desk.put("é", title="Other"), 409, long)
    write_story(desk.root, "é.md", title="By file", id="é")
    desk.scan()
    assert long in desk.quarantine()["é.md"]


def test_body_that_does_not_say_how_long_it_is_is_not_cut_off(desk: Desk) -> None:
    whole = json.dumps({"title": "Talks"}).encode()
    for body, status in (
        (whole.ljust(8_000), 201),
        (whole.ljust(8_000) + b" ", 413),
        (whole.ljust(9_000, b" ") + b"x", 413),
    ):
        answer = desk.ask(
            "PUT",
            "articles/world/talks",
            {"Transfer-Encoding": "chunked"},
            input_stream=io.BytesIO(body),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert answer.status_code == status


def test_right_of_nobody_there_is_keeps_a_story_out_as_it_would_keep_nothing_back(desk: Desk) -> None:
    for name in ("acmee", "Partners", "partner"):
        answer = desk.put(syndication={"public": "full", name: "none"})
        assert repr(name) in assert_problem(answer, 409)["detail"]
    (refused,) = desk.batch({"id": "world/talks", "title": "Talks", "syndication": {"acmee": "none"}})
    assert (refused["status"], desk.title()) == (409, None)
    assert desk.put(syndication={"public": "summary", "partners": "none"}).status_code == 201


def test_story_of_a_former_partner_can_be_withdrawn(desk: Desk) -> None:
    story = article("world/talks", syndication=(("former", "none"),))
    with desk.store.write() as tx:
        apply.apply(tx, [IncomingChange(Change(None, story), desk.clock())], desk.rules, desk.clock())
    assert_problem(desk.put(syndication={"former": "none"}), 409)
    assert desk.ask("DELETE", "articles/world/talks").status_code == 200


def test_each_line_of_a_batch_is_answered_in_its_order(desk: Desk) -> None:
    long = b'{"id": "long", "title": "' + b"x" * 9_000 + b'"}'
    answers = desk.batch(
        {"id": "a", "title": "First"},
        b"",
        b"  \r",
        {"id": "b"},
        b"{",
        b'{"id": "c", "title": "\xff"}',
        long,
        [1],
        {"title": "No id"},
        {"id": "../x", "title": "Bad id"},
        {"id": "a", "title": "Second"},
        {"id": "d", "title": "Fine"},
    )
    told = [(one["line"], one["status"], one.get("id")) for one in answers]
    assert told == [
        (1, 201, "a"),
        (4, 422, "b"),
        (5, 400, None),
        (6, 400, None),
        (7, 413, None),
        (8, 422, None),
        (9, 422, None),
        (10, 422, "../x"),
        (11, 200, "a"),
        (12, 201, "d"),
    ]
    assert all(one["problem"]["status"] == one["status"] for one in answers if one["status"] > 201)
    assert (desk.title("a"), desk.title("c"), desk.title("d")) == ("Second", None, "Fine")
    assert answers[8]["etag"] == desk.ask("GET", "articles/a").headers["ETag"]


TWICE = [
    ('{"title": "A", "embargo": "2099-01-01T00:00:00Z", "title": "B"}', "/title"),
    ('{"title": "A", "authors": ["Jo", {"name": "A", "name": "B"}]}', "/authors/1/name"),
    ('{"title": "A", "syndication": {"acme": "none", "acme": "full"}}', "/syndication/acme"),
    ('{"title": "A", "images": [{"url": "/a", "may_syndicate": false, "may_syndicate": true}]}',
     "/images/0/may_syndicate"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "pointer"), TWICE)
def test_key_that_stands_twice_is_refused_as_in_a_file(desk: Desk, written: str, pointer: str) -> None:
    answer = desk.ask("PUT", "articles/a", data=written, content_type="application/json")
    assert (answer.status_code, desk.title("a")) == (422, None)
    assert answer.json is not None
    assert answer.json["errors"] == [{"pointer": pointer, "detail": "is written twice; keep one"}]
    line = f'{{"id": "a", {written[1:]}'.encode()
    told = desk.batch(line, {"id": "b", "title": "Good"})
    assert [(one["id"], one["status"]) for one in told] == [("a", 422), ("b", 201)]
    assert told[0]["problem"]["errors"] == answer.json["errors"]
    (desk.root / "a.json").write_text(f'{{"date": "2026-02-11", {written[1:]}')
    desk.scan()
    assert "is written twice; keep one" in desk.quarantine()["a.json"]


def test_line_with_two_ids_is_about_neither(desk: Desk) -> None:
    (told,) = desk.batch(b'{"id": "a", "title": "A", "id": "b"}')
    assert (told["status"], told.get("id")) == (422, None)
    assert told["problem"]["errors"][0]["pointer"] == "/id"


def test_reason_that_stands_twice_withdraws_nothing(desk: Desk) -> None:
    desk.put("a")
    twice = '{"reason": "It was wrong", "reason": "It is right"}'
    answer = desk.ask("DELETE", "articles/a", data=twice, content_type="application/json")
    assert answer.status_code == 422
    assert (desk.ask("GET", "articles/a").json or {})["status"] == "published"


@pytest.mark.parametrize(
    ("written", "status", "told"),
    [
        (f'{{"title": "A", "x": [{"1," * 60_000}1]}}', 422, "more than 50,000 values are too many"),
        (f'{{"title": {"1" * 4_000}}}', 422, "one fault"),
        (f'{{"title": {"1" * 5_000}}}', 400, "not JSON"),
        (f'{{"title": "A", "{"x" * 5_000}": 1}}', 422, "one fault"),
        (f'{{"title": "A", "summary": "{"x" * 100_001}"}}', 422, "one fault"),
    ],
    ids=["values", "number", "digits", "name", "summary"],
)
def test_what_is_far_too_much_is_told_in_a_few_words(
    desk: Desk, tmp_path: Path, store_url: str, written: str, status: int, told: str
) -> None:
    variables = {"FEEDSVC_STORE_URL": store_url, "FEEDSVC_LIMITS_STORY": "5MB"}
    wide = config_file.load(tmp_path / "config.toml", variables)
    desk.client = application(wide, desk.store, clock=desk.clock).test_client()
    answer = desk.ask("PUT", "articles/a", data=written, content_type="application/json")
    assert (answer.status_code, len(answer.data) < 1_500) == (status, True)
    assert told in (answer.json or {})["detail"]


def test_later_line_is_a_change_of_the_earlier(desk: Desk) -> None:
    desk.batch(
        {"id": "a", "title": "A"}, {"id": "a", "title": "A", "correction": "B"}, {"id": "a", "title": "A"}
    )
    shown = desk.ask("GET", "articles/a").json
    assert shown is not None
    assert (shown["correction"], shown["published"]) == ("", "2026-11-22T12:00:00Z")
    desk.clean()
    desk.batch({"id": "a", "title": "A"}, {"id": "a", "title": "B"}, {"id": "a", "title": "A"})
    assert desk.dirty() == []


def test_batch_of_many_transactions_is_answered_whole(desk: Desk) -> None:
    lines = [{"id": f"s/{number}", "title": f"T{number}"} for number in range(1_203)]
    answers = desk.batch(*lines)
    assert [(one["line"], one["id"], one["status"]) for one in answers] == [
        (number + 1, f"s/{number}", 201) for number in range(1_203)
    ]
    with desk.store.read() as connection:
        assert articles.count(connection) == 1_203
        until = dirty.debounced_until(connection)
    assert until is not None
    assert until <= desk.clock()  # whoever waits for a batch does so no more


def test_batch_that_is_too_large_changes_nothing(desk: Desk) -> None:
    lines = [{"id": f"s/{number}", "title": "T" * 1_000} for number in range(120)]
    raw = b"\n".join(json.dumps(line).encode() for line in lines)
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    for environ in ({}, chunked):
        refused = desk.ask(
            "POST",
            "articles",
            input_stream=io.BytesIO(raw),
            content_length=len(raw),
            content_type="application/x-ndjson",
            environ_overrides=environ,
        )
        assert_problem(refused, 413)
    with desk.store.read() as connection:
        assert articles.count(connection) == 0


def test_batch_that_is_cut_off_changes_nothing(desk: Desk) -> None:
    raw = b"\n".join(json.dumps({"id": f"s/{number}", "title": "T"}).encode() for number in range(20))
    refused = desk.ask(
        "POST",
        "articles",
        input_stream=io.BytesIO(raw),
        content_type="application/x-ndjson",
        environ_overrides={"CONTENT_LENGTH": str(len(raw) + 1)},
    )
    assert_problem(refused, 400)
    with desk.store.read() as connection:
        assert articles.count(connection) == 0


def test_one_story_that_breaks_the_store_harms_only_itself(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = articles._row

    def row(placed: Any) -> Any:
        if placed.id == "bad":
            raise ValueError("no such row")
        return real(placed)

    monkeypatch.setattr(articles, "_row", row)
    answers = desk.batch(*({"id": name, "title": "T"} for name in ("a", "bad", "b")))
    assert [one["status"] for one in answers] == [201, 500, 201]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": "Bearer a-partner"}, 401),
        ({"Authorization": "Basic Y21zOnNlY3JldC1vZi10aGUtY21z"}, 404),  # cms:secret-of-the-cms
    ],
)
def test_only_a_token_to_write_opens_it(desk: Desk, fields: Headers, status: int) -> None:
    note_token(desk.store, "a-partner", "read")
    answer = desk.ask("GET", "articles/nowhere", fields)
    assert_problem(answer, status)
    if status == 401:
        assert [one.split()[0] for one in answer.headers.getlist("WWW-Authenticate")] == ["Bearer", "Basic"]
        assert_problem(desk.put(headers=fields), 401)
        assert_problem(desk.ask("POST", "articles", fields, data=b""), 401)


def test_who_shows_many_wrong_tokens_is_to_wait(desk: Desk) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [desk.ask("GET", "articles/a", wrong).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert int(desk.ask("GET", "articles/a", wrong).headers["Retry-After"]) > 0
    assert_problem(desk.ask("GET", "articles/a"), 404)


@pytest.mark.parametrize(
    ("ask", "status", "told"),
    [
        (lambda d: d.ask("PUT", "articles/a", data=b"{", content_type="application/json"), 400, "not JSON"),
        (lambda d: d.ask("PUT", "articles/a", data=b"{}", content_type="text/plain"), 415, "text/plain"),
        (lambda d: d.ask("PUT", "articles/a", data=b"{}"), 415, "Content-Type"),
        (lambda d: d.put(headers={"Content-Encoding": "gzip"}), 415, "not encoded"),
        (lambda d: d.put(titel="x"), 422, "did you mean title?"),
        (lambda d: d.put(authors=[{"name": "A"}, {"name": 5}]), 422, "/authors/1/name"),
        (lambda d: d.put("a%20b"), 422, "is not an id"),
        (lambda d: d.put(body="x" * 9_000), 413, "8000"),
        (lambda d: d.put("a?force=maybe"), 400, "true or false"),
        (lambda d: d.put("a" * 512, section="🙂" * 300), 422, "too long"),
        (lambda d: d.ask("GET", "nothing"), 404, "/api/openapi.json"),
        (lambda d: d.ask("GET", "articles/a%00"), 404, "no story"),
        (lambda d: d.ask("DELETE", "articles/a", json={"reason": 5}), 422, "/reason"),
        (lambda d: d.ask("POST", "articles", json={}), 415, "application/x-ndjson"),
    ],
)
def test_what_cannot_be_taken_is_told_as_a_problem(
    desk: Desk, ask: Callable[[Desk], TestResponse], status: int, told: str
) -> None:
    assert_problem(ask(desk), status, told)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "articles/a", "DELETE, GET, HEAD, PUT"),
        ("OPTIONS", "articles/a", "DELETE, GET, HEAD, PUT"),
        ("GET", "articles", "POST"),
        ("DELETE", "schema", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_told_which_there_are(desk: Desk, method: str, path: str, allowed: str) -> None:
    answer = desk.ask(method, path)
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == allowed


def test_store_that_is_gone_is_told_as_a_problem(desk: Desk) -> None:
    desk.ask("GET", "articles/a")  # the tokens are in memory
    with desk.store.write() as tx:
        tx.execute(text("DROP TABLE articles"))
    answers = [desk.put(), desk.ask("GET", "articles/a"), desk.ask("DELETE", "articles/a")]
    line = json.dumps({"id": "a", "title": "T"})
    answers.append(desk.ask("POST", "articles", data=line, content_type="application/x-ndjson"))
    for answer in answers:
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"] == "5"


def test_pages_go_on_telling_what_is_wrong_as_pages(desk: Desk) -> None:
    assert desk.client.get("/apis").mimetype == "text/html"


def test_schema_and_description_are_open_and_whole(desk: Desk) -> None:
    schema = desk.client.get("/api/schema")
    assert (schema.status_code, schema.mimetype) == (200, "application/schema+json")
    told = desk.client.get("/api/openapi.json").json
    assert told is not None
    assert told["openapi"].startswith("3.1")
    references = {part.split('"')[0] for part in json.dumps(told).split('"#/')[1:]}
    for reference in references:
        place: Any = told
        for part in reference.split("/"):
            place = place[part]
    assert set(told["paths"]) == {"/api/articles/{id}", "/api/articles", "/api/schema", "/api/openapi.json"}
