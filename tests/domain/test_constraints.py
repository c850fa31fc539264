"""One rule for each value: files, the API, its JSON Schema, the configuration and lint answer alike."""

import ipaddress
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize
from urllib.parse import quote, urlsplit

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from feedsvc.config import types
from feedsvc.config.file import load
from feedsvc.domain import constraints, urls
from feedsvc.domain.constraints import Constraint
from feedsvc.domain.model import Article, Author, Enclosure, Image, Loaded, Rejected, Site
from feedsvc.domain.selection import PUBLIC, Rules, build
from feedsvc.domain.xml_text import ILLEGAL, without_illegal
from feedsvc.html.sanitize import loses_credentials, to_html
from feedsvc.ingest.document import ArticleLine
from feedsvc.lint.stories import lint_article
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import parse
from feedsvc.render.feed import render
from feedsvc.render.fragments import FragmentCache
from feedsvc.render.story import story as story_of
from feedsvc.util.errors import ConfigError
from tests.conftest import missing
from tests.stories import NOON, article

REFUSED = None
SITE = Site("Example", "https://news.example.org", "en", "news.example.org,2026")


class Kind(NamedTuple):
    """One kind of value: its rule, where each door has it, and what the file door puts in order first."""

    constraint: Constraint
    pushed: str  # the JSON pointer of the field in a pushed story
    in_file: Callable[[str], dict[str, Any]]
    kept: Callable[[Article], Any]
    set_right: Callable[[str], str] = lambda text: text
    stored: Callable[[str], Any] = lambda text: text


def _line(text: str) -> str:
    return " ".join(text.split())


def _slashed(text: str) -> str:
    is_whole = text.startswith("/") or re.match("[A-Za-z][A-Za-z0-9+.-]*:", text)
    return text if is_whole else f"/{text}"


def _media(text: str) -> str:
    made = re.sub(r'[\x00-\x20<>"^`{|}]', lambda found: quote(found[0]), text.replace("\\", "/"))
    if made.startswith("//"):
        return f"https:{made}"
    has_colon = ":" in re.split("[/?#]", made, maxsplit=1)[0]
    return f"./{made}" if has_colon and not re.match("[A-Za-z][A-Za-z0-9+.-]*:", made) else made


# Each difference is one that people write in files, and programs don't. Beside these, for every kind:
# characters that XML forbids are removed with a note, white space is collapsed (of ids: taken off the ends),
# and a key with nothing behind it is no key, as in a template nobody filled in.
SET_RIGHT = {
    "a path without its slash is a path on the site": _slashed,
    "a picture's name may hold what a URL can't, `\\` for /, a colon, or begin with //": _media,
    "a language may be written as programs do, en_US": lambda text: text.replace("_", "-"),
    "an address may be copied with its mailto:": lambda text: re.sub(
        "^mailto:", "", text, flags=re.IGNORECASE
    ),
}
SLASHED, MEDIA, LANGUAGE, MAILTO = SET_RIGHT.values()

KINDS = {
    "id": Kind(constraints.ID, "id", lambda v: {"id": v}, lambda a: a.id),
    "url": Kind(constraints.ADDRESS, "url", lambda v: {"url": v}, lambda a: a.url, SLASHED),
    "original": Kind(constraints.WEB_ADDRESS, "original", lambda v: {"original": v}, lambda a: a.original),
    "author's url": Kind(
        constraints.ADDRESS,
        "authors/url",
        lambda v: {"authors": [{"name": "J", "url": v}]},
        lambda a: a.authors[0].url,
        SLASHED,
    ),
    "image": Kind(
        constraints.REFERENCE,
        "images/url",
        lambda v: {"images": [{"url": v}]},
        lambda a: a.images[0].url if a.images else REFUSED,
        MEDIA,
    ),
    "enclosure": Kind(
        constraints.REFERENCE,
        "enclosures/url",
        lambda v: {"enclosures": [{"url": v}]},
        lambda a: a.enclosures[0].url if a.enclosures else REFUSED,
        MEDIA,
    ),
    "email": Kind(
        constraints.EMAIL,
        "authors/email",
        lambda v: {"authors": [{"name": "J", "email": v}]},
        lambda a: a.authors[0].email,
        MAILTO,
    ),
    "language": Kind(
        constraints.LANGUAGE, "language", lambda v: {"language": v}, lambda a: a.language, LANGUAGE
    ),
    "media type": Kind(
        constraints.MEDIA_TYPE,
        "enclosures/type",
        lambda v: {"enclosures": [{"url": "/a", "type": v}]},
        lambda a: a.enclosures[0].type,
        stored=str.lower,
    ),
}
SCHEMA = ArticleLine.model_json_schema()

STRANGE = [
    *("https://user:secret@intranet.example/x", "https://user@intranet.example", "//user:secret@h/x"),
    *("http://[::1]/", "http://[::1]:8080/a", "http://[fe80::1%25eth0]/", "http://[v1.a]/", "http://[1:2]/"),
    *("https://bücher.example/ä", "https://xn--bcher-kva.example", "https://i❤.ws/", "https://例え。jp/"),
    *("https://e.org:0/", "https://e.org:99999/", "https://e.org:65535/", "https://e.org:65536", "https://e.org:"),
    *("/a b", "a\\b.jpg", "\\\\host\\x", "https:\\\\e.org\\x", "//host/x", "/\\host", "///x", "https:///a"),
    *("javascript:alert(1)", "JaVaScRiPt:x", "data:image/png;base64,AA", "vbscript:x", "file:///etc/passwd"),
    *("https://e.org/%zz", "/100%", "https://e.org/%", "https://%65.org/", "https://a%40b/"),
    *("http://localhost:8000/x", "http://10.0.0.1/", "http://intranet/x", "https://e.org/" + "x" * 4986),
    *("https://e.org/" + "x" * 4987, "world/story", "?a=b", "#a", "./a", "../a", "C:\\a.jpg", "12:30.jpg"),
    *("https://e.org/?q=a|b", "https://e.org/{a}", "https://℀.org/", "https://a．b/", "https://e.org/\u3000"),
    *("jane@example.org", "Jane Doe <jane@example.org>", "mailto:jane@example.org", "jané@bücher.example"),
    *("jane@", "@x", "a@b@c", "jane doe@x", "x" * 290 + "@x.org.aaaa", "x" * 290 + "@x.org.aaa"),
    *("en", "en_US", "zh-Hans-CN", "x-klingon", "i-klingon", "english", "nl-BE"),
    *("e", "en-", "en--x", "sr_Latn_RS"),
    *("x" * 512, "x" * 513, "é" * 512, "é" * 513, "cafe\u0301", "\u0958" * 300, "👩‍🚒", "a/./b", "a/../b"),
    *("..", ".", "...", "..a", "a..", "a//b", "/a", "a/", "", " ", "\t", "\u200b"),
    *("a\x00b", "a\ufffeb", "a\U0001fffeb"),
    *("image/jpeg", "IMAGE/JPEG", "image", "image/", "text/html; charset=utf-8", "image/svg+xml"),
]  # fmt: skip
_pieces = st.lists(
    st.sampled_from(
        [*"ab/.:?#@%[]\\ _-", "http://", "HTTPS://", "x.org", "//", "::1", "..", "ä", "\u3000", "\ufffe"]
    )
    | st.characters(codec="utf-8"),
    max_size=8,
).map("".join)
values = (
    st.sampled_from(STRANGE)
    | st.sampled_from([kind.constraint.pattern for kind in KINDS.values()]).flatmap(st.from_regex)
    | _pieces
    | st.text(max_size=12)
)


def by_file(kind: Kind, value: str) -> Any:
    """What a file's story keeps of a value, or None if it is set aside for it."""
    written = {"title": "T", "date": "2026-01-01", "body": "x", **kind.in_file(value)}
    made = parse("a.json", json.dumps(written).encode(), LoadRules())
    if isinstance(made, Loaded):
        return kind.kept(made.article)
    assert re.search("-invalid|-credentials|too-long|url-missing", made.rule), made
    return REFUSED


def sent(kind: Kind, value: str) -> dict[str, Any]:
    """A pushed story with the value in its place."""
    table, _, field = kind.pushed.partition("/")
    rest: dict[str, Any] = {"authors": {"name": "J"}, "images": {"url": "/a"}, "enclosures": {"url": "/a"}}
    place = {table: [rest[table] | {field: value}]} if field else {table: value}
    return {"id": "a", "title": "T"} | place


def by_api(kind: Kind, value: str) -> Any:
    try:
        made = ArticleLine.model_validate_json(json.dumps(sent(kind, value)))
    except ValidationError:
        return REFUSED
    table, _, field = kind.pushed.partition("/")
    found = getattr(made, table)
    return getattr(found[0], field) if field else found


VALID = jsonschema_rs.validator_for(SCHEMA)


def agree(name: str, value: str) -> None:
    kind = KINDS[name]
    pushed = by_api(kind, value)
    if name == "id" and len(normalize("NFC", value)) > constraints.LONGEST_ID >= len(value):
        assert pushed is by_file(kind, value) is REFUSED  # too long as kept: no pattern can say so
        return
    assert VALID.is_valid(sent(kind, value)) == (pushed is not REFUSED)
    assert pushed is REFUSED or kind.constraint.accepts(value)
    first = without_illegal(value)
    first = kind.set_right(_line(first)) if name != "id" else first.strip()
    if not _line(without_illegal(value)):
        assert pushed is REFUSED  # nothing was written; the file's story has its default
    elif not first.lower().startswith("data:"):  # a picture within the story is left out of it
        assert by_file(kind, value) == by_api(kind, first), first


@pytest.mark.slow
@settings(max_examples=1_000)
@given(st.sampled_from(sorted(KINDS)), values)
def test_files_api_and_schema_accept_the_same_values(name: str, value: str) -> None:
    agree(name, value)


@pytest.mark.parametrize("name", KINDS)
def test_what_strangers_write_gets_one_answer(name: str) -> None:
    for value in STRANGE:
        agree(name, value)


CONFIG = {
    "original": (types.WebUrl, lambda text: text, urls.uri),
    "language": (types.Language, LANGUAGE, LANGUAGE),
    "email": (types.Mailbox, lambda text: text, lambda text: text),
}


@settings(max_examples=500)
@given(st.sampled_from(sorted(CONFIG)), values)
def test_configuration_accepts_what_stories_may_hold(name: str, value: str) -> None:
    """A setting may be written as in a file; a mailbox may have a name behind it, or be empty."""
    accepted, first, kept = CONFIG[name]
    in_story = by_api(KINDS[name], first(value))
    try:
        made = TypeAdapter(accepted).validate_python(value)
    except ValidationError:
        assert in_story is REFUSED
        return
    is_mailbox = name == "email" and (not value or re.search(r" \([^()]+\)$", value))
    assert is_mailbox or in_story is not REFUSED
    assert made == kept(value)


@given(st.sampled_from(["language", "email"]), values)
def test_lint_finds_what_doors_refuse(name: str, value: str) -> None:
    story = article(authors=["J"])
    if name == "language":
        story = replace(story, language=value)
    else:
        story = replace(story, authors=(Author("J", "j", email=value),))
    found = {remark.rule for remark in lint_article(story, SITE, NOON)}
    assert (f"{name}-invalid" in found) == (bool(value) and not KINDS[name].constraint.accepts(value))


@settings(max_examples=500)
@given(values.filter(constraints.REFERENCE.accepts))
def test_url_that_may_stand_leads_where_it_says(url: str) -> None:
    """What every door lets in can be taken apart, names a host and no user, and goes out in ASCII."""
    parts = urlsplit(urls.absolute("https://news.example.org/a", url))
    assert parts.hostname
    assert parts.username is parts.password is None
    assert parts.port is None or 0 < parts.port < 65_536
    assert parts.geturl().isascii()
    assert (
        constraints.WEB_ADDRESS.matches(urls.absolute("https://news.example.org/a", url))
        or "%" in parts.netloc
    )


@given(st.from_regex(r"[0-9a-f:.]{2,20}", fullmatch=True) | st.ip_addresses(v=6).map(str))
def test_addresses_in_brackets_are_those_of_ipv6(text: str) -> None:
    try:
        ipaddress.IPv6Address(text)
        is_one = True
    except ValueError:
        is_one = False
    assert constraints.WEB_ADDRESS.accepts(f"http://[{text}]:80/") == is_one


def test_patterns_mean_the_same_to_those_who_check_before_they_send() -> None:
    if not (node := shutil.which("node")):
        missing("node")
    patterns = {name: kind.constraint.pattern for name, kind in KINDS.items()}
    script = (
        "const {patterns, texts} = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "for (const name in patterns)"
        " patterns[name] = texts.map(text => new RegExp(patterns[name], 'u').test(text));"
        "console.log(JSON.stringify(patterns))"
    )
    written = json.dumps({"patterns": patterns, "texts": STRANGE})
    ran = subprocess.run([node, "-e", script], input=written, capture_output=True, text=True, check=True)
    for name, answers in json.loads(ran.stdout).items():
        assert answers == [KINDS[name].constraint.matches(text) for text in STRANGE], name


def test_no_value_that_may_stand_holds_what_feeds_may_not() -> None:
    for kind in KINDS.values():
        for char in map(chr, [*range(0x20), 0x7F, 0x85, 0xFDD0, 0xFFFD, 0xFFFE, 0x1FFFE, 0x10FFFF]):
            assert ILLEGAL.search(char) or char in "\t\n\r"
            for text in (f"https://e.org/{char}", f"a@{char}b", f"en-{char}", f"a/{char}b"):
                assert not kind.constraint.accepts(text)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1970-01-01T00:00:00+14:00", constraints.EARLIEST),
        ("1969-12-31T23:59:59-01:00", None),
        ("9999-12-31T23:59:59-12:00", constraints.LATEST),
        ("9999-12-31T23:59:59+14:00", constraints.LATEST),
        ("10000-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-02-11T14:00:00.1234567+01:00", datetime.fromisoformat("2026-02-11T13:00:00.123456+00:00")),
    ],
)
def test_dates_at_the_ends_of_time_get_one_answer(written: str, kept: datetime | None) -> None:
    kind = Kind(constraints.INSTANT, "expires", lambda v: {"expires": v}, lambda a: a.expires)
    assert by_api(kind, written) == kept
    made = parse(
        "a.json", json.dumps({"title": "T", "date": "2026-01-01", "expires": written}).encode(), LoadRules()
    )
    assert (made.article.expires if isinstance(made, Loaded) else None) == kept


@pytest.mark.parametrize("number", [0, 1, 640.0, 640.5, -1, 1_000_000, 1_000_001, 10**15 - 1, 10**15, True])
def test_sizes_get_one_answer(number: Any) -> None:
    """A width of 0 is what a file's template holds before anybody filled it in."""
    for table, field in (("images", "width"), ("enclosures", "length")):
        kind = Kind(constraints.LABEL, f"{table}/{field}", lambda _value: {}, lambda _story: None)
        document = {table: [{"url": "/a", field: number}]}
        in_file = parse(
            "a.json", json.dumps({"title": "T", "date": "2026-01-01"} | document).encode(), LoadRules()
        )
        pushed = by_api(kind, number)
        assert VALID.is_valid(sent(kind, number)) == (pushed is not REFUSED)
        if not (field == "width" and number == 0 and number is not False):
            assert isinstance(in_file, Loaded) == (pushed is not REFUSED)


@given(st.text(min_size=1, max_size=8) | st.sampled_from(["cafe\u0301", "\u0958" * 300, "\u0958" * 256]))
def test_id_as_kept_is_an_id_and_stays_so(text: str) -> None:
    kept = constraints.story_id(text)
    assert kept is None or constraints.story_id(kept) == kept


# User names and passwords

BODIES = [
    "[a](https://user:s3cret@intranet.example/x)",
    "[a](//user:s3cret@intranet.example/x)",
    "[a][1]\n\n[1]: https://user:s3cret@intranet.example/x",
    "<https://user:s3cret@intranet.example/x>",
    "See https://user:s3cret@intranet.example/x now.",
    "![a](https://user:s3cret@intranet.example/a.jpg)",
    '<img src="https://user:s3cret@h.example/a.jpg" alt="">',
    '<img srcset="/b.jpg 1x, https://user:s3cret@h.example/a.jpg 2x" src="/b.jpg">',
    '<img data-src="https://user:s3cret@h.example/a.jpg" src="placeholder.gif">',
    '<iframe src="https://user:s3cret@h.example/v"></iframe>',
    '<object data="https://user:s3cret@h.example/v"></object>',
    '<object><param name="movie" value="https://user:s3cret@h.example/v"></object>',
    '<video poster="https://user:s3cret@h.example/p.jpg" src="HTTPS://user:s3cret@h.example/v"></video>',
    '<blockquote cite="https://user:s3cret@h.example/">a</blockquote>',
    '<a href="https:&#47;&#47;user:s3cret&#64;h.example/">a</a>',
    '<a href="ht\ntps://user:s3cret@h.example/">a</a>',
    '<a href="https:\\\\user:s3cret@h.example/">a</a>',
    '<a href="https:user:s3cret@h.example/">a</a>',
    '<a href="https:/user:s3cret@h.example/">a</a>',
    '<a href="https:////user:s3cret@h.example/">a</a>',
    '<a href="https://user:s3cret@@h.example/">a</a>',
]


@pytest.mark.parametrize("body", [*BODIES, '<a href="ftp://user:s3cret@h.example/">a</a>'])
def test_no_password_in_a_body_leaves_the_service(body: str) -> None:
    assert "s3cret" not in story_of(SITE, article(body=body)).html
    if body.startswith("<"):
        assert "s3cret" not in story_of(SITE, article(body=f"<p>Words.</p>{body}", markup="html")).html


def test_no_password_in_a_body_of_plain_text_leaves_the_service() -> None:
    story = story_of(SITE, article(body="At https://user:s3cret@h.example/x, he said.", markup="text"))
    assert story.html == "<p>At https://h.example/x, he said.</p>"


@pytest.mark.parametrize("body", BODIES)
def test_password_in_a_body_is_a_finding(body: str) -> None:
    found = [
        remark for remark in lint_article(article(body=body), SITE, NOON) if remark.rule == "url-credentials"
    ]
    assert [remark.field for remark in found] == ["body"]
    assert "s3cret" not in found[0].reason


@pytest.mark.parametrize(
    "body",
    [
        "Mail [us](mailto:desk@example.org) or desk@example.org.",
        "[a](https://example.org/@jane) <https://example.org/?mail=a@b.c>",
        "Type `curl https://user:pass@example.org`:\n\n    https://user:pass@example.org\n",
        "https://example.org and @jane",
    ],
)
def test_what_holds_no_password_is_left_alone(body: str) -> None:
    assert constraints.shows_credentials(to_html(body, "markdown", "https://e.org/")) == ("pass" in body)
    assert not loses_credentials(body, "markdown", "https://e.org/")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://bücher.example:80/ä", "https://xn--bcher-kva.example:80/%C3%A4"),
        ("//bücher.example", "https://xn--bcher-kva.example"),
        ("https://i❤.ws/", "https://xn--i-7iq.ws/"),
        ("http://[::1]:81/x", "http://[::1]:81/x"),
        ("http://u:p@[::1]/x", "http://[::1]/x"),
        ("/100%", "https://e.org/100%25"),
        ("/a//bü", "https://e.org/a//b%C3%BC"),
        ("https://e.org/%zz", "https://e.org/%25zz"),
        ("http://localhost:8000/", "http://localhost:8000/"),
        ("http://h:0/", None),
        ("http://h:99999/", None),
        ("http://[::1/", None),
        ("https://a%40b/", None),
        ("https://%ff.org/", None),
    ],
)
def test_link_in_a_body_is_one_that_every_client_reads(written: str, shown: str | None) -> None:
    href = f' href="{shown}"' if shown else ""
    assert to_html(f"[a]({written})", "markdown", "https://e.org/x") == f"<p><a{href}>a</a></p>\n"
    assert to_html(f'<a href="{written}">a</a>', "html", "https://e.org/x") == f"<a{href}>a</a>"


def test_no_password_in_a_stored_story_is_published() -> None:
    """A story that was loaded before passwords were refused stays in the store until its file is mended."""
    secret = "https://user:s3cret@h.example/a"
    author = Author("J", "j", url=secret)
    story = article(
        title=f"At {secret}", summary=f"At {secret}", correction=f"At {secret}", url=secret, original=secret,
        comments=secret, images=(Image(secret, alt="a"),), enclosures=(Enclosure(secret, "a/b", 1),),
    )  # fmt: skip
    story = replace(story, authors=(author,), contributors=(author,))
    made = build("all", [story], Rules(SITE), PUBLIC, NOON)
    for representation in render(made, FragmentCache(10**6)).values():
        assert b"s3cret" not in representation.body
        assert b"h.example" in representation.body
    assert "s3cret" not in urls.location(SITE, "a", secret)


def test_no_line_of_a_story_shows_a_password() -> None:
    text = "See https://user:s3cret@h.example/x there"
    image = Image(url="/a.jpg", alt=text, caption=text, credit=text)
    told = article(dateline=text, rights=text, images=(image,))
    made = build("all", [told], Rules(SITE), PUBLIC, NOON)
    for representation in render(made, FragmentCache(10**6)).values():
        assert b"s3cret" not in representation.body
    remarks = lint_article(told, SITE, NOON)
    assert {one.field for one in remarks if one.rule == "url-credentials"} == {"dateline", "rights", "images"}


@pytest.mark.parametrize("text", ["https://user:s3cret@h.example/x", "HTTPS://user@h.example/x"])
def test_id_holds_no_password(text: str) -> None:
    assert constraints.story_id(text) is None
    assert constraints.story_id("tag:jane@example.org,2026:a") is not None


def test_no_error_shows_the_password_it_complains_of(tmp_path: Path) -> None:
    made = parse(
        "a.md", b"---\ntitle: T\ndate: 2026-01-01\nurl: https://user:s3cret@h.example/\n---\n", LoadRules()
    )
    assert isinstance(made, Rejected)
    assert (made.rule, made.line) == ("url-credentials", 4)
    assert made.reason.startswith("url: 'https://…@h.example/' holds a user name or password")
    (tmp_path / "config.toml").write_text('[site]\nhub = "https://user:s3cret@h.example/"\n')
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "config.toml", {})
    assert "s3cret" not in str(refused.value)
    assert "config.toml:2: site.hub" in str(refused.value)
