"""Any bytes, and any change of a good story or page, load or are refused: there is no internal error."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.domain.model import Loaded, Rejected
from feedsvc.html.sanitize import loses_credentials, loses_markup, to_html, to_text
from feedsvc.importing.saved_page import read_page, to_story
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import parse
from feedsvc.util.errors import PageRefused
from tests.importing.test_saved_page import PAGE

pytestmark = pytest.mark.slow

RULES = LoadRules()
BASE = "https://news.example.org/a"
SAMPLES = {
    path.name: path.read_text("utf-8")
    for path in sorted((Path(__file__).parent.parent / "content").rglob("*.*"))
}
HTML = """\
<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Boats &amp; ports</title>
<meta name="date" content="2026-02-11"><meta name="tags" content="Boats, Ports"><!-- a comment -->
<script>if (a < b) { document.write("<body>") }</script><style>p > a {}</style></head>
<body><p>Boats <a href="/x">sail</a></p><noscript><img src="/a.jpg"></noscript></body></html>
"""
TOML = """\
+++
title = "Boats"
date = 2026-02-11T14:00:00+01:00
tags = ["a", 'b']
[extra]
list = [{a = 1}, {b.c = 0x1f, d = inf}]
+++
Text.
"""
_html = (
    *(
        "<![<![<body>",
        "<!",
        "<!--",
        "-->",
        "<?",
        "</",
        "<a",
        "<body>",
        "<title>",
        "</title>",
        "<meta name='",
        '"',
    ),
    *(
        ">",
        "&#0;",
        "&#x110000;",
        "&lt",
        "<script>",
        "<noscript>",
        "<iframe src='//['>",
        "<svg>",
        "<img srcset=',,(",
    ),
)
_keys = (
    *(
        "+++",
        "---",
        "{",
        "}",
        "[",
        "]",
        "[[a]]",
        "a.b.c = ",
        "= 1e999",
        "0x" + "F" * 5_000,
        "1" * 5_000,
        "nan",
    ),
    *(
        "'''",
        '"""',
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a",
        "!!int ",
        "%TAG ! x",
        "<<: *a",
        "|\n",
        '"\\ud800"',
        "'\\u0000'",
    ),
    *(
        "\n",
        "\r",
        "\t",
        "\x85",
        "\u2028",
        "\x00",
        "\ufeff",
        "status: ",
        "0001-01-01",
        "9999-12-31T23:59:59-12:00",
    ),
    *("embargo: ", "images: ", "url: http://[::1", "author: <", "https://" + "ü" * 300, "date: 24:00", ",,,"),
)
_bits = st.sampled_from(_html + _keys) | st.text(max_size=6)


@st.composite
def mutated(draw: st.DrawFn, texts: tuple[str, ...]) -> str:
    """One of the texts with pieces of it cut out, doubled, moved, and others put in."""
    text = draw(st.sampled_from(texts))[:3_000]
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 40)))
        piece, place = text[begin:end], draw(st.integers(0, len(text)))
        change = draw(st.sampled_from(("cut", "double", "move", "put")))
        if change == "cut":
            text = text[:begin] + text[end:]
        elif change == "put":
            text = text[:begin] + draw(_bits) + text[begin:]
        else:
            rest = text if change == "double" else text[:begin] + text[end:]
            text = rest[:place] + piece + rest[place:]
    return text


def assert_ours(path: str, raw: bytes) -> None:
    """Whatever it is, it is a story or refused, and its body becomes HTML."""
    made = parse(path, raw, RULES)
    if isinstance(made, Rejected):
        assert made.rule != "internal-error", made.reason
        made.reason.encode()
        return
    assert isinstance(made, Loaded)
    for note in made.notes:
        note.reason.encode()
    body, markup = made.article.body, made.article.markup
    to_text(to_html(body, markup, BASE)).encode()
    loses_credentials(body, markup, BASE)
    loses_markup(body, markup, BASE)


_stories = tuple(text for name, text in SAMPLES.items() if name.endswith(".md"))
_objects = tuple(text for name, text in SAMPLES.items() if name.endswith(".json"))
_pages = (HTML, *(text for name, text in SAMPLES.items() if name.endswith(".html")))


@settings(max_examples=400)
@given(mutated((*_stories, TOML)))
def test_any_change_of_a_story_is_a_story_or_refused(text: str) -> None:
    assert_ours("world/a.md", text.encode("utf-8", "replace"))


@settings(max_examples=300)
@given(mutated(_pages))
def test_any_change_of_a_page_is_a_story_or_refused(text: str) -> None:
    assert_ours("a.html", text.encode("utf-8", "replace"))


@settings(max_examples=300)
@given(mutated(_objects))
def test_any_change_of_an_object_is_a_story_or_refused(text: str) -> None:
    assert_ours("a.json", text.encode("utf-8", "replace"))


@settings(max_examples=300)
@given(st.sampled_from(("a.md", "a.html", "a.json")), st.binary(max_size=200))
def test_any_bytes_are_a_story_or_refused(path: str, raw: bytes) -> None:
    assert_ours(path, raw)


@settings(max_examples=300)
@given(mutated((PAGE,)))
def test_any_change_of_a_saved_page_is_a_page_or_refused(text: str) -> None:
    try:
        path, story = to_story(read_page(text))
    except PageRefused:
        return
    assert_ours(path, story.encode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.html", "<![<![<body>"),
        ("a.html", "<![ <body>x</body>"),
        ("a.html", "<!x[<body>"),
        ("a.md", "+++\ntitle = 'A'\ndate = 2026-02-11\nstatuss = 0x" + "F" * 5_000 + "\n+++\nx"),
        ("a.json", '{"title": "A", "date": "2026-02-11", "body": "x", "titel\\ud800": "y"}'),
        (
            "a.json",
            '{"title": "A", "date": "2026-02-11", "extra": {"\\ud800": {"\\udfff": 1}}, "body": "\\ud83d"}',
        ),
    ],
)
def test_what_was_once_a_fault_of_ours_is_none(path: str, text: str) -> None:
    assert_ours(path, text.encode())
