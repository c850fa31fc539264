"""No story, however it is written, holds a process: what is too much is refused, and work grows with length.

Each input below took seconds or minutes before it was refused or read in one pass, so that a deadline of CPU
time can be generous. What each comes to is asserted as well, and where work can be counted it is.
"""

import time
from collections.abc import Callable

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.domain import constraints
from feedsvc.domain.model import Loaded, Rejected
from feedsvc.html import embeds, tokens
from feedsvc.html.limits import Nesting, is_bomb
from feedsvc.html.sanitize import to_html, to_text
from feedsvc.importing.saved_page import read_page
from feedsvc.loading.dates import _instant
from feedsvc.loading.folders import _target
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import parse
from feedsvc.util.errors import PageRefused

pytestmark = pytest.mark.slow

RULES = LoadRules()
BASE = "https://news.example.org/a"
DEADLINE = 2.0  # seconds of CPU
QUOTE = '"'
JSON = '{"title": "A", "date": "2026-02-11"'
HEAD = "---\ntitle: A\ndate: 2026-02-11\n"


def within_deadline(work: Callable[[], object]) -> object:
    started = time.process_time()
    done = work()
    assert time.process_time() - started < DEADLINE
    return done


def each(number: int, text: str) -> str:
    """A text over and over, with the numbers in it."""
    return "".join(text.replace("#", str(n)) for n in range(number))


STORIES = {
    "toml-parts": ("a.md", f"+++\n{'.'.join('a' * 30_000)} = 1\n+++\n", "nested-too-deeply"),
    "toml-table": (
        "a.md",
        f"+++\n[{'.'.join('a' * 200)}]\n{each(6_000, 'a#=1' + chr(10))}+++\n",
        "nested-too-deeply",
    ),
    "toml-quoted-parts": ("a.md", "+++\n" + ".".join(['"a"'] * 16_000) + " = 1\n+++\n", "nested-too-deeply"),
    "toml-long": ("a.md", f"+++\n{each(600_000, 'a#=1' + chr(10))}+++\n", "front-matter-too-long"),
    "toml-arrays": ("a.md", f"+++\nx=[{'[],' * 1_500_000}]\n+++\n", "front-matter-too-long"),
    "toml-open-string": ("a.md", '+++\na = "' + '\\"' * 30_000 + "\n+++\n", "toml-syntax"),
    "yaml-flow": ("a.md", f"---\nx: [{'[],' * 1_500_000}]\n---\n", "front-matter-too-long"),
    "yaml-directives": (
        "a.md",
        f"---\n{each(100_000, '%TAG !a#! x' + chr(10))}---\n",
        "front-matter-too-long",
    ),
    "yaml-aliases": (
        "a.md",
        f"{HEAD}b: &b {{{each(900, 'k#: 1,')}}}\nimages: [{'*b,' * 400}]\n---\nx",
        "too-many",
    ),
    "yaml-different-keys": ("a.md", f"{HEAD}params: {{{each(4_000, 'keyed#: 1,')}}}\n---\nx", "too-many"),
    "yaml-long-key": ("a.md", f"{HEAD}? {'ab ' * 10_000}\n: 1\n---\nx", "key-invalid"),
    "json-different-keys": (
        "a.json",
        f'{JSON}, "meta": {{{each(40_000, QUOTE + "key#x" + QUOTE + ":1,")} "z": 1}}}}',
        "too-many",
    ),
    "json-values": ("a.json", f'{{"title": "A", "x": [{"{}," * 1_600_000}1]}}', "too-many"),
    "json-in-markdown": ("a.md", f'{{"title": "A", "x": [{"1," * 100_000}1]}}\n\nx', "front-matter-too-long"),
    "json-summary": ("a.json", f'{JSON}, "summary": "{"<b>" * 90_000}"}}', "too-long"),
    "header-block": ("a.md", f"Title: A\n{each(600_000, 'a#:b' + chr(10))}", "front-matter-too-long"),
    "first-line": ("a.md", "\ufdfa" * 1_600_000, "front-matter-missing"),
    "heading": ("a.md", f"---\ndate: 2026-02-11\n---\n# {'a ' * 2_000_000}", "too-long"),
    "broken-json": ("a.json", f"{{{each(6_000, ',k#xyz:1')}", "json-syntax"),
    "broken-lists": ("a.json", "{" + ",a:[" * 16_000, "json-syntax"),
    "comments": ("a.html", "<!--" * 16_000 + "<body>x", "html-unclosed"),
    "quotes": ("a.html", "<a b='" * 9_999 + "<body>x", "html-unclosed"),
    "titles": ("a.html", "<title>" * 9_000 + "<body>x", "html-unclosed"),
    "declarations": ("a.html", "<![" * 20_000, "html-unclosed"),
    "no-body": ("a.html", "<p a='>' <!-- >" * 300_000, "front-matter-missing"),
    "controls": ("a.md", HEAD + "---\n" + "a\x0b" * 2_000_000, "encoding"),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_what_is_too_much_is_refused_with_its_rule_in_no_time(name: str) -> None:
    path, text, rule = STORIES[name]
    made = within_deadline(lambda: parse(path, text.encode(), RULES))
    assert isinstance(made, Rejected)
    assert made.rule == rule
    assert len(made.reason) <= 1_000


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.md", f"{HEAD}---\n{chr(10) * 4_800_000}x"),
        (
            "a.md",
            "+++\ntitle = '''" + "a." * 1_000 + "'''\ndate = 2026-02-11\n" + f"a{'.a' * 19} = 1\n+++\nx",
        ),
        (
            "a.md",
            "+++\ntitle = 'A' # " + "a." * 100 + '\ndate = 2026-02-11\nx = "' + "a." * 100 + '"\n+++\nx',
        ),
        (
            "a.json",
            f'{JSON}, "body": "{"word " * 900_000}", {each(90, QUOTE + "titl#" + QUOTE + ":1,")} "z": 1}}',
        ),
        ("a.json", f'{JSON}, "body": "{"[a, b]" * 100_000}"}}'),
    ],
    ids=["blank-lines", "toml-text", "toml-comment", "keys-after-the-body", "commas-in-the-body"],
)
def test_what_is_long_is_read_in_no_time(path: str, text: str) -> None:
    assert isinstance(within_deadline(lambda: parse(path, text.encode(), RULES)), Loaded)


BODIES = {
    "formatting-opened-again": "<p>" + each(400, "<b id=#>") + "<p>x" * 20_000,
    "end-tags-of-nothing": "<div></x>" * 49_000,
    "end-tags-in-quotes": "<div title='</div>'>" * 33_000,
    "end-tags-in-comments": "<div><!--</div>-->" * 33_000,
    "lists-in-lists": "<li><dd>" * 49_000,
    "drawings-in-html": "<circle/>" * 99_000,
    "scopes": "<div><table><td></div>" * 24_000,
    "foreign": "<svg><desc></svg>" * 33_000,
    "sections": "<svg><![CDATA[" * 49_000,
    "hashes": f'<p>x<sup><a href="{"#" * 99_000}" hreflang=en>1</a></sup></p>',
    "players": "<video>" * 1_900 + "x " * 2_400_000 + "</video>" * 1_900,
    "schemes": "a@b :// " + "a." * 500_000,
    "host": f'<a href="http://{"".join(map(chr, range(0x4E00, 0x8E00)))}/">x</a>',
    "labels": f'<a href="http://{"ü." * 45_000}/">x</a>' * 10,
}


@pytest.mark.parametrize("name", BODIES)
def test_no_body_holds_the_process(name: str) -> None:
    within_deadline(lambda: to_text(to_html(BODIES[name], "html", BASE)))


@pytest.mark.parametrize(
    "unit",
    ["<div></x>", "<div title='</div>'>", "<div><!--</div>-->", "<li><dd>", "<circle/>", "<svg><desc></svg>",
     "<div><table><td></div>", "<a><div></a>", "<div><script></div></script>", "<p><b>x</p>text",
     "<div><svg><![CDATA[></svg></div>]]></svg>", "<div><textarea></div></textarea>", "<svg><tr>",
     "<div><script><!--<script></script></div>--></script>", "<b><section></b>", "<form><div></form>"],
)  # fmt: skip
def test_tags_that_nest_are_seen_to_nest(unit: str) -> None:
    assert is_bomb(unit * 3_000)


@pytest.mark.parametrize(
    "unit",
    ["<p><b>x</p>", "<p>a<p>b", "<li>a<ul><li>b<li>c</ul>", "<dl><dt>a<dd>b</dl>", "<a href=x>a", "<br/>",
     "<table><tr><td><font size=1>x<td>y</table>", "<p><span>x</p>", "<svg><path d='M0 0'/></svg>", "<hr>",
     "<div title='<div>'></div>", "<!-- <div> --><i>x</i>", "<script>'<div>'</script>", "<img src=x>",
     "<ruby>x<rt>y</ruby>", "<h2>a</h3>", "<select><option>a<option>b</select>", "<pre>a <b>c</pre></b>"],
)  # fmt: skip
def test_tags_that_only_look_like_nesting_are_no_bomb(unit: str) -> None:
    assert not is_bomb(unit * 3_000)


NAMES = (
    *(
        "a",
        "b",
        "font",
        "p",
        "div",
        "span",
        "li",
        "ul",
        "ol",
        "dd",
        "dt",
        "table",
        "tr",
        "td",
        "caption",
        "svg",
    ),
    *(
        "math",
        "circle",
        "g",
        "foreignObject",
        "desc",
        "select",
        "option",
        "button",
        "form",
        "h1",
        "h2",
        "object",
    ),
    *(
        "template",
        "mi",
        "annotation-xml",
        "body",
        "nobr",
        "i",
        "center",
        "section",
        "x-y",
        "rp",
        "ruby",
        "pre",
    ),
)
_pieces = st.sampled_from(
    [*(f"<{name}>" for name in NAMES), *(f"</{name}>" for name in NAMES), "<b id=1>", "<i id=2>", "<circle/>",
     "<svg/>", "<div/>", "<!--", "-->", "<![CDATA[", "]]>", "x", "<div title='", "'>", "<!-->", "<?", ">",
     "</p>"]
)  # fmt: skip
_SANITISER = nh3.Cleaner(
    tags={name.lower() for name in NAMES} | {"foreignObject", "tbody", "optgroup"},
    clean_content_tags=set(),
    attributes={},
    link_rel=None,
)


@settings(max_examples=300)
@given(st.lists(_pieces, min_size=1, max_size=6).map("".join), st.lists(_pieces, max_size=3).map("".join))
def test_nesting_is_never_taken_for_much_less_than_it_is(unit: str, before: str) -> None:
    body = before + unit * 30
    depth = real = 0
    for tag in tokens.tags(_SANITISER.clean(body)):
        if tag.name in ("br", "hr"):
            continue
        depth += -1 if tag.closing else 1
        real = max(real, depth)
    seen = Nesting()
    seen.is_too_deep(body)
    assert real <= 5 * seen.deepest + 30


def test_pictures_for_readers_without_scripts_cost_no_sanitiser_each() -> None:
    def calls(number: int) -> int:
        made = []

        def sanitise(source: str) -> str:
            made.append(source)
            return source

        body = each(number, '<noscript><img src="/#.jpg"></noscript>')
        assert embeds.replaced(body, sanitise, lambda _name, value: value).count("<img") == number
        return len(made)

    assert calls(10) == calls(1_000) == 1


def test_pictures_for_readers_without_scripts_are_shown_in_no_time() -> None:
    body = each(9_000, '<noscript><img src="/#.jpg"></noscript>')
    made = within_deadline(lambda: to_html(body, "html", BASE))
    assert isinstance(made, str)
    assert made.count("<img") == 9_000


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("Headline\n\n" + "a - " * 100_000, "characters are no news page"),
        ("Headline\n\nText.\n\nTags: " + "a | " * 2_000, "2,001 tags"),
    ],
)
def test_page_that_is_none_is_refused(page: str, told: str) -> None:
    with pytest.raises(PageRefused, match=told):
        read_page(page)


def test_stars_of_a_cascade_take_no_power_of_its_length() -> None:
    assert _target({"target": {"path": "/" + "*a" * 30 + "b"}}) is None  # for all: nothing leaks
    assert _target({"target": {"path": "/**/a*"}}) is not None


def test_long_values_are_not_kept() -> None:
    _instant.cache_clear()
    text = f'{JSON}, "modified": "{"1" * 1_000_000}"}}'
    assert isinstance(parse("a.json", text.encode(), RULES), Rejected)
    assert _instant.cache_info().currsize <= 1


def test_user_names_are_found_wherever_a_scheme_ends() -> None:
    for text in ("see https://u:p@h/x", "xhttps://u@h", "a.b+c-d://u:p@h", "1://u@h"):
        assert constraints.shows_credentials(text)
        assert "u" not in constraints.without_shown_credentials(text)
    assert not constraints.shows_credentials("jane@example.org https://h/a@b ://u@h")
