import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.domain.model import Article, Loaded, Note, Rejected
from feedsvc.loading import formats
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import parse

RULES = LoadRules(timezone="Europe/Brussels")


def article(text: str | bytes, path: str = "story.md") -> Article:
    raw = text if isinstance(text, bytes) else text.encode()
    made = parse(path, raw, RULES)
    assert isinstance(made, Loaded), made
    return made.article


def rejected(text: str | bytes, path: str = "story.md") -> Rejected:
    made = parse(path, text if isinstance(text, bytes) else text.encode(), RULES)
    assert isinstance(made, Rejected), made
    return made


def notes(text: str, path: str = "story.md") -> tuple[Note, ...]:
    made = parse(path, text.encode(), RULES)
    assert isinstance(made, Loaded), made
    return made.notes


TAGS = '["Harbours", "Night Work"]'
SPELLINGS = {
    "yaml.md": f"---\ntitle: Night boats\ndate: 2026-02-11\ntags: {TAGS}\n---\n\nThe *text*.\n",
    "toml.md": f'+++\ntitle = "Night boats"\ndate = 2026-02-11\ntags = {TAGS}\n+++\n\nThe *text*.\n',
    "json.md": f'{{"title": "Night boats", "date": "2026-02-11",\n "tags": {TAGS}}}\n\nThe *text*.\n',
    "pelican.md": "Title: Night boats\nDate: 2026-02-11\nTags: Harbours,\n    Night Work\n\nThe *text*.\n",
    "whole.json": f'{{"title": "Night boats", "date": "2026-02-11", "tags": {TAGS}, "body": "The *text*."}}',
}


@pytest.mark.parametrize("path", SPELLINGS)
def test_every_format_says_the_same(path: str) -> None:
    made = article(SPELLINGS[path], path)
    assert made.title == "Night boats"
    assert made.published.isoformat() == "2026-02-10T23:00:00+00:00"
    assert [tag.slug for tag in made.tags] == ["harbours", "night-work"]
    assert (made.body, made.markup) == ("The *text*.", "markdown")


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_and_byte_order_marks_do_not_matter(path: str, end: str) -> None:
    other = b"\xef\xbb\xbf" + SPELLINGS[path].replace("\n", end).encode()
    assert article(other, path) == article(SPELLINGS[path], path)


def test_html_takes_front_matter_too() -> None:
    made = article("---\ntitle: A\ndate: 2026-02-11\n---\n<p>Text</p>\n", "a.html")
    assert (made.body, made.markup) == ("<p>Text</p>", "html")


def test_pelican_html_is_read() -> None:
    made = article(
        '<!doctype html>\n<html lang="nl"><head>\n<title>A &amp; B</title>\n'
        '<meta name="summary" content="&lt;em&gt; is &amp;amp;c.">'
        '<meta name="date" content="2026-02-11 10:00"><meta name="tags" content="x, y">\n'
        '<meta name="authors" content="Jane Doe"><meta name="viewport" content="width=1">\n'
        "</head>\n<body class='a'>\n<p>Text</p>\n</body></html>",
        "a.htm",
    )
    assert (made.title, made.summary) == ("A & B", "<em> is &amp;c."), (
        "the head's own escapes are resolved once"
    )
    assert made.language == "nl"
    assert [tag.label for tag in made.tags] == ["x", "y"]
    assert [author.name for author in made.authors] == ["Jane Doe"]
    assert (made.body, made.markup) == ("<p>Text</p>", "html")


@pytest.mark.parametrize(
    ("fields", "body", "markup"),
    [
        ('"content_html": "<p>a</p>"', "<p>a</p>", "html"),
        ('"content_text": "a < b"', "a < b", "text"),
        ('"content_markdown": "*a*"', "*a*", "markdown"),
        ('"body": "<p>a</p>", "markup": "html"', "<p>a</p>", "html"),
        ('"body": "a\\r\\nb", "content_html": "other"', "a\nb", "markdown"),
    ],
)
def test_json_articles_hold_their_body(fields: str, body: str, markup: str) -> None:
    made = article(f'{{"title": "T", "date": "2026-02-11", {fields}}}', "a.json")
    assert (made.body, made.markup) == (body, markup)


@pytest.mark.parametrize("title", ["2026", "no", "12:30", "1.10", "2026-02-11", "0x1F", "on"])
def test_yaml_scalars_stay_the_text_their_author_wrote(title: str) -> None:
    assert article(f"---\ntitle: {title}\ndate: 2026-02-11\nlang: no\n---\n").title == title
    assert article(f"---\ntitle: {title}\ndate: 2026-02-11\nlang: no\n---\n").language == "no"


def test_yaml_null_is_nothing_unless_quoted() -> None:
    assert article("---\ntitle: ~\ndate: 2026-02-11\ntags: null\n---\n# Head\n").title == "Head"
    assert article("---\ntitle: 'null'\ndate: 2026-02-11\n---\n").title == "null"


def test_the_dots_that_end_a_yaml_document_close_front_matter() -> None:
    assert article("---\ntitle: A\ndate: 2026-02-11\n...\nText\n").body == "Text"


def test_blank_lines_before_front_matter_are_forgiven() -> None:
    assert rejected("\n\n---\ntitle: A\ndate: soon\n---\n").line == 5


@pytest.mark.parametrize(
    ("text", "path", "line", "reason"),
    [
        ("", "a.md", 1, "begin the file with"),
        ("Just text.\n", "a.md", 1, "begin the file with"),
        ("<p>Just text.</p>", "a.html", 1, "begin the file with"),
        ("---\ntitle: A\n\nText", "a.md", 1, "not closed; write a line '---'"),
        ("+++\ntitle = 'A'\nText", "a.md", 1, "not closed; write a line '+++'"),
        ('{"title": "A",\n"date": "2026-02-11"\n', "a.md", 1, "not closed"),
        ("---\ntitle: A\ndate: [2026\n---\n", "a.md", 3, "not valid YAML"),
        ("---\ntitle: A\n\tdate: x\n---\n", "a.md", 3, "not valid YAML"),
        ("---\ntitle: A\ntags: a\ntags: b\n---\n", "a.md", 4, "tags: is written twice"),
        ("---\n- a\n- b\n---\n", "a.md", 2, "front matter is a list"),
        ("---\nonly words\n---\n", "a.md", 2, "front matter is 'only words'"),
        ("---\ntitle: A\n? [a]\n: b\n---\n", "a.md", 3, "is not a key"),
        ("---\ntitle: *a\n---\n", "a.md", 2, "*a"),
        ("---\na: &a [*a]\n---\n", "a.md", 2, "*a"),
        ("+++\ntitle = 'A'\ndate = soon\n+++\n", "a.md", 3, "not valid TOML"),
        ("+++\ntitle = 'A'\ntitle = 'B'\n+++\n", "a.md", 3, "not valid TOML"),
        ('{"title": "A",\n "date": }\n', "a.md", 2, "not valid JSON"),
        ('{"title": "A",\n "date": "x",\n "title": "B"}', "a.json", 3, "title: is written twice"),
        ('{"title": "A"}\n{"title": "B"}', "a.json", 2, "more after the closing"),
        ('["a"]', "a.json", 1, "the file holds a list"),
        ("", "a.json", 1, "the file is empty"),
        ('{"title": "A",\n"body": 5, "markup": "rtf"}', "a.json", 2, "'rtf' is not one of"),
        ('{"title": "A",\n"body": ["x"]}', "a.json", 2, "body: a list is not text"),
        ("Title: A\nDate: 2026-02-11\ntitle: B\nTitle: C\n\nText", "a.md", 4, "Title: is written twice"),
    ],
)
def test_what_breaks_a_format_is_told_with_its_line(text: str, path: str, line: int, reason: str) -> None:
    found = rejected(text, path)
    assert (found.path, found.line) == (path, line)
    assert reason in found.reason


def test_two_spellings_of_a_key_that_differ_are_refused() -> None:
    made = parse("a.md", b"---\nembargo: 2026-03-01\ntitle: A\nEmbargo: 2026-04-01\n---\n", RULES)
    assert isinstance(made, Rejected)
    assert (made.line, made.rule) == (4, "duplicate-key")
    assert "Embargo" in made.reason


@pytest.mark.parametrize("lines", ["Title: A\ntitle:", "Title:\ntitle: A", "Title: A\ntitle: A"])
def test_an_empty_spelling_of_a_key_gives_way(lines: str) -> None:
    assert article(f"---\n{lines}\ndate: 2026-02-11\n---\n").title == "A"


def test_two_metas_of_one_name_hide_nothing() -> None:
    head = '<title>A</title><meta name="date" content="2026-02-11"><meta name="author" content="Jo Doe">'
    page = f'<html><head>{head}<meta name="author" content="Al Roe">{{}}</head><body><p>x</p></body></html>'
    assert [author.name for author in article(page.format(""), "a.html").authors] == ["Jo Doe", "Al Roe"]
    twice = '<meta name="embargo" content="2026-03-01"><meta name="embargo" content="2026-04-01">'
    assert isinstance(parse("a.html", page.format(twice).encode(), RULES), Rejected)


def test_a_part_in_two_spellings_that_differ_is_refused() -> None:
    image = "image: {url: /a.jpg, may_syndicate: true, maySyndicate: false}"
    made = parse("a.md", f"---\ntitle: A\ndate: 2026-02-11\n{image}\n---\n".encode(), RULES)
    assert isinstance(made, Rejected)
    assert (made.line, made.rule) == (4, "duplicate-key")


def test_a_thousand_keys_are_enough_and_odd_characters_in_them_take_no_time() -> None:
    started = time.process_time()
    lines = "".join(f'k{number}: "\\u000b"\n' for number in range(3_000))
    made = parse("a.md", f"---\n{lines}---\nx".encode(), RULES)
    assert isinstance(made, Rejected)
    assert made.rule == "too-many"
    lines = "".join(f'k{number}: "\\u000b"\n' for number in range(990))
    text = f"---\ntitle: A\ndate: 2026-02-11\n{lines}big: {'x' * 30_000}\n---\n"
    assert [note.line for note in notes(text)] == [4]
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("part", "body", "markup"),
    [
        ('"content": " <p>x</p>"', "<p>x</p>", "html"),
        ('"content": "x < *y*"', "x < *y*", "markdown"),
        ('"html": "x"', "x", "html"),
        ('"text": "<p>"', "<p>", "text"),
        ('"content": ["x"], "text": "y"', "y", "text"),
        ('"content": "x", "content_html": "<p>y"', "<p>y", "html"),
        ('"content": "<p>", "markup": "text"', "<p>", "text"),
    ],
)
def test_bodies_of_json_articles_go_by_many_names(part: str, body: str, markup: str) -> None:
    made = article(f'{{"title": "A", "date": "2026-02-11", {part}}}', "a.json")
    assert (made.body, made.markup) == (body, markup)


def test_a_json_article_without_body_and_summary_is_noted() -> None:
    assert [note.rule for note in notes('{"title": "A", "date": "2026-02-11"}', "a.json")] == ["body-missing"]
    assert not notes('{"title": "A", "date": "2026-02-11", "summary": "S"}', "a.json")


@pytest.mark.parametrize(
    ("raw", "line", "byte"),
    [
        (b"---\ntitle: caf\xe9\n---\n", 2, "0xE9"),
        (b"\xff\xfeT\x00", 1, "0xFF"),
        (b"a\r\nb\r\xed\xa0\x80", 3, "0xED"),
    ],
)
def test_bytes_that_are_not_utf8_are_told_with_line_and_value(raw: bytes, line: int, byte: str) -> None:
    found = rejected(raw)
    assert found.line == line
    assert f"byte {byte}" in found.reason
    assert "save the file as UTF-8" in found.reason


def test_characters_xml_forbids_are_removed_and_noted() -> None:
    text = "---\ntitle: A\x0bB\ndate: 2026-02-11\n---\n\nOne\x00 two\x0b\uffff\n"
    made = article(text)
    assert (made.title, made.body) == ("AB", "One two")
    assert [(note.line, note.reason[:6]) for note in notes(text)] == [
        (2, "U+000B"),
        (6, "U+0000"),
        (6, "U+FFFF"),
    ]


def test_notes_on_one_file_are_a_handful() -> None:
    text = "---\ntitle: A\ndate: 2026-02-11\n---\n" + "".join(map(chr, range(1, 9))) + "\n"
    assert len(notes(text)) == 5


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('---\ndate: 2026-02-11\ntitle: "A\\x0bB"\n---\n', "a.md", 3),
        ('+++\ndate = 2026-02-11\ntitle = "A\\u000BB"\n+++\n', "a.md", 3),
        ('{"date": "2026-02-11",\n "title": "A\\u000b\\ud800B", "body": "x"}', "a.json", 2),
    ],
)
def test_characters_that_escapes_bring_in_are_removed_too(text: str, path: str, line: int) -> None:
    assert article(text, path).title == "AB"
    assert notes(text, path)[0].line == line


@pytest.mark.parametrize("char", ["\x7f", "\x81", "\ufdd0", "\ufffd", "\ufffe", "\U0001ffff", "\U0010fffe"])
def test_what_validators_refuse_is_removed_from_keys_and_body(char: str) -> None:
    text = f"---\ntitle: A{char}B\ndate: 2026-02-11\n---\nC{char}D"
    made = article(text)
    assert (made.title, made.body) == ("AB", "CD")
    told = f"U+{ord(char):04X} is not allowed in feeds; it is removed"
    assert notes(text) == (Note(2, told, "character-removed"),)


def test_a_next_line_character_becomes_a_space() -> None:
    assert article("---\ntitle: A\x85B\ndate: 2026-02-11\n---\nC\x85D").body == "C D"


def test_an_end_of_cdata_in_a_json_body_is_noted_at_its_key() -> None:
    text = '{"title": "A", "date": "2026-02-11",\n"body": "a\\nb\\nc ]]>"}'
    assert [note.line for note in notes(text, "a.json")] == [2]


def test_an_end_of_cdata_is_noted_where_it_stands() -> None:
    found = notes("---\ndate: 2026-02-11\ntitle: a ]]> b\n---\n\nText\nand ]]> more\n")
    assert [note.line for note in found] == [3, 7]
    assert all("]]>" in note.reason for note in found)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("---\na: " + "[" * 100_000 + "\n---\n", "a.md"),
        ("---\na: " + "[" * 100_000 + "]" * 100_000 + "\n---\n", "a.md"),
        ("---\n" + "- " * 100_000 + "x\n---\n", "a.md"),
        ("---\n" + "? " * 100_000 + "x\n---\n", "a.md"),
        ("+++\na = " + "[" * 100_000 + "\n+++\n", "a.md"),
        ('{"a": ' + "[" * 100_000, "a.json"),
        ('{"a": ' + "9" * 10_000 + "}", "a.json"),
    ],
    ids=["open", "closed", "sequences", "keys", "toml", "json", "number"],
)
def test_absurd_nesting_is_rejected_and_the_process_lives(text: str, path: str) -> None:
    # In a process of its own: libyaml's composer ends the process on such input, and would end the tests.
    program = (
        "import sys; from feedsvc.loading.story_file import parse\n"
        "from feedsvc.loading.rules import LoadRules\n"
        "made = parse(sys.argv[1], sys.stdin.buffer.read(), LoadRules())\n"
        "print(type(made).__name__, 'internal' in made.reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path],
        input=text.encode(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.split() == [b"Rejected", b"False"], done


def test_an_alias_bomb_does_not_go_off() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 16)]
    bomb = "\n".join(["l0: &l0 [x\\u000b]", *levels, 'title: "A\\u000b"', "tags: *l15"])
    started = time.process_time()
    assert rejected(f"---\n{bomb}\ndate: 2026-02-11\n---\n").rule == "too-many"
    assert time.process_time() - started < 2


def test_lists_have_a_bound() -> None:
    many = "[" + "*a," * 5_000 + "]"
    found = rejected(f"---\nx: &a y\ntitle: A\ndate: 2026-02-11\nimages: {many}\n---\n")
    assert (found.line, found.reason) == (5, "images: 5000 items are too many; write at most 500")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Title: A\nDate: 2026-02-11\n" + "  more\n" * 100_000, "a.md"),
        ("Title: A\nDate: 2026-02-11\nAuthor: A" + " " * 500_000 + "B\n\nText", "a.md"),
        ("Title: A\nDate: 2026-02-11\nTags: " + "a b," * 100_000 + "\n\nText", "a.md"),
        ("---\ndate: 2026-02-11\n---\n# " + " " * 1_000_000 + "x", "a.md"),
        ("\n" * 1_000_000, "a.md"),
        ("<body" * 200_000, "a.html"),
        ("<!-- <a " * 100_000 + "<body>", "a.html"),
        ("---\ndate: 2026-02-11\ntitle: A\n---\n" + "]]>\n\x0b" * 200_000, "a.md"),
    ],
    ids=["continued", "byline", "tags", "heading", "blank", "bodies", "head", "controls"],
)
def test_a_long_odd_file_takes_no_long_time(text: str, path: str) -> None:
    started = time.process_time()
    parse(path, text.encode(), RULES)
    assert time.process_time() - started < 2


LINES = st.sampled_from(
    [
        *(
            "---",
            "+++",
            "{",
            "}",
            "title: A",
            "date: 2026-02-11",
            'title = "A"',
            "tags: [a, *b]",
            "- x",
            "",
            "Text",
        ),
        *(
            "  y: z",
            '"title": "A",',
            "a: &b c",
            "<body>",
            "<title>x</title>",
            "a: |",
            "\x0b",
            "# Head",
            "images: {a",
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES | st.text(max_size=8), max_size=10), st.sampled_from(["a.md", "a.html", "a.json"]))
def test_any_text_loads_or_is_rejected_with_a_line_of_the_file(lines: list[str], path: str) -> None:
    text = "\n".join(lines)
    made = parse(path, text.encode("utf-8", "replace"), RULES)
    if isinstance(made, Rejected):
        assert "internal" not in made.reason
        assert 1 <= made.line <= text.count("\n") + text.count("\r") + 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_load_or_are_rejected(raw: bytes) -> None:
    made = parse("a.md", b"---\ntitle: A\ndate: 2026-02-11\n---\n" + raw, RULES)
    assert isinstance(made, Loaded) or "UTF-8" in made.reason


# What most front matter is made of, and what YAML could mean something by.
_pieces = st.sampled_from(
    [*"abz09_-.,:;#[]{}&*!|>'\"%@`?~=/\\ ()\t\néж“\u2028\u3000\xa0", "null", ": ", " #", "- ", "---", "..."]
)
_values = st.lists(_pieces, max_size=8).map("".join)
_items = st.lists(st.text("ab c-.'0\u3000", min_size=1, max_size=5), min_size=1, max_size=3).map(", ".join)
_keys = st.sampled_from(["a", "title", "Last-Mod", "x_1", "null", "Null"])
_lines = st.builds("{}: {}".format, _keys, _values | _items.map("[{}]".format))


@settings(max_examples=500)
@given(st.lists(_lines | _values, max_size=4).map("\n".join))
def test_plain_front_matter_is_read_as_libyaml_reads_it(source: str) -> None:
    plain = formats.plain_yaml(source)
    if plain is not None:
        assert plain == formats.yaml_of_events(source, 1)
