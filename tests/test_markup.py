import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from feedsvc.markup import to_html, to_text

BASE = "https://news.example.org/stories/world/talks"


def markdown(text: str) -> str:
    return to_html(text, "markdown", BASE)


def cleaned(text: str) -> str:
    return to_html(text, "html", BASE)


def test_commonmark_with_tables_footnotes_and_strikethrough() -> None:
    made = markdown("# A\n\n~~old~~ *new*[^n]\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n[^n]: A note.\n")
    assert "<h1>A</h1>" in made
    assert "<del>old</del> <em>new</em>" in made
    assert '<th align="left">a</th><th align="right">b</th>' in made
    assert f'<a href="{BASE}#n">' in made
    assert re.search(r'<div id="n">.*A note\.', made, re.DOTALL)


def test_raw_html_in_markdown_is_kept_and_sanitised() -> None:
    made = markdown("<figure onclick='x()'><img src='p.jpg'><figcaption>C</figcaption></figure>\n\nText.\n")
    assert '<figure><img src="https://news.example.org/stories/world/p.jpg">' in made
    assert "onclick" not in made


def test_plain_text_is_escaped_in_paragraphs() -> None:
    assert to_html("a <b> & c\n\n \n# d\n", "text", BASE) == "<p>a &lt;b&gt; &amp; c</p>\n<p># d</p>"


@pytest.mark.parametrize(
    "element", ["script", "style", "noscript", "template", "object", "form", "iframe", "svg", "textarea"]
)
def test_active_elements_are_gone_with_their_content(element: str) -> None:
    assert cleaned(f"<p>a</p><{element}>inner</{element}><p>b</p>") == "<p>a</p><p>b</p>"


def test_embed_is_gone() -> None:
    assert cleaned('a<embed src="x.swf">b') == "ab"


@pytest.mark.parametrize(
    "attribute", ['onclick="x()"', 'style="color:red"', 'class="lead"', 'target="_blank"']
)
def test_handlers_styles_and_classes_are_gone(attribute: str) -> None:
    assert cleaned(f"<p {attribute}>a</p>") == "<p>a</p>"


def test_only_language_classes_stay_and_only_on_code() -> None:
    made = cleaned('<pre class="language-python"><code class="big language-python hot">x</code></pre>')
    assert made == '<pre><code class="language-python">x</code></pre>'


@pytest.mark.parametrize(
    "kept",
    [
        '<table><tbody><tr><th scope="row">a</th><td colspan="2">b</td></tr></tbody></table>',
        "<dl><dt>a</dt><dd>b</dd></dl>",
        '<p><abbr title="a">b</abbr> H<sub>2</sub>O <sup>3</sup> <del>d</del> <ins>i</ins></p>',
        '<details open=""><summary>s</summary>t</details>',
        "<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>",
        '<p id="p1" dir="rtl" lang="ar">a<br>b</p><hr>',
        '<time datetime="2026-02-11">today</time>',
    ],
)
def test_what_a_story_needs_is_kept(kept: str) -> None:
    assert cleaned(kept) == kept


@pytest.mark.parametrize(
    ("written", "absolute"),
    [
        ("other", "https://news.example.org/stories/world/other"),
        ("/top", "https://news.example.org/top"),
        ("?page=2", f"{BASE}?page=2"),
        ("#note", f"{BASE}#note"),
        ("//cdn.example.net/a", "https://cdn.example.net/a"),
        (" https://example.net/a b ", "https://example.net/a%20b"),
        ("mailto:desk@example.org", "mailto:desk@example.org"),
        ("tel:+3225550100", "tel:+3225550100"),
    ],
)
def test_links_are_absolute(written: str, absolute: str) -> None:
    assert cleaned(f'<a href="{written}">a</a>') == f'<a href="{absolute}">a</a>'


@pytest.mark.parametrize(
    "tag",
    [
        '<img src="x.png">',
        '<video poster="x.png"></video>',
        '<audio src="x.png"></audio>',
        '<blockquote cite="x.png"></blockquote>',
        '<picture><source srcset="x.png"></picture>',
    ],
)
def test_every_url_attribute_is_absolute(tag: str) -> None:
    assert cleaned(tag) == tag.replace("x.png", "https://news.example.org/stories/world/x.png")


BAD_URLS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java&#x0A;script:alert(1)",
    "java&Tab;script:alert(1)",
    "&#1;javascript:alert(1)",
    " &#x20;javascript:alert(1)",
    "javascript&colon;alert(1)",
    "data:text/html,x",
    "blob:https://example.org/1",
    "vbscript:x",
    "file:///etc/passwd",
    "http://[",
    "http:///nowhere",
    "http:nowhere",
    "https://example.org:port/",
    "",
]


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize("attribute", ["href", "src", "poster", "cite", "srcset"])
def test_other_schemes_and_broken_urls_lose_their_attribute(attribute: str, url: str) -> None:
    element = {"href": "a", "src": "img", "poster": "video", "cite": "q", "srcset": "img"}[attribute]
    made = cleaned(f'<{element} {attribute}="{url}">')
    kept = re.findall(r'="([^"]*)"', made)
    assert all(value.startswith(BASE.rpartition("/")[0]) for value in kept), made
    assert not re.search(r"(?:javascript|data|blob|vbscript|file):", made)


def test_mail_and_telephone_are_for_links_only() -> None:
    assert cleaned('<img src="mailto:a@example.org"><q cite="tel:1">x</q>') == "<img><q>x</q>"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a.jpg 1x, b.jpg 2x", "{}/a.jpg 1x, {}/b.jpg 2x"),
        ("a,1.jpg 480w,b.jpg 960w 400h", "{}/a,1.jpg 480w, {}/b.jpg 960w 400h"),
        (" ,a.jpg,, b.jpg", "{}/a.jpg, {}/b.jpg"),
        ("a.jpg 1x, data:image/png;base64,AAAA 2x, c.jpg 3x", "{}/a.jpg 1x, {}/c.jpg 3x"),
        ("a.jpg wide, b.jpg 1.5x", "{}/b.jpg 1.5x"),
    ],
)
def test_srcset_is_judged_candidate_by_candidate(written: str, kept: str) -> None:
    expected = kept.replace("{}", "https://news.example.org/stories/world")
    assert cleaned(f'<img srcset="{written}">') == f'<img srcset="{expected}">'


def test_links_get_no_rel() -> None:
    assert "rel=" not in markdown("[a](https://example.net/)")


def test_references_to_characters_xml_forbids_are_gone() -> None:
    assert cleaned("a&#x0B;b&#xFFFE;c\ud800d\x00e") == "abcde"
    assert cleaned('<p title="&#x0B;a">b</p>') == '<p title="a">b</p>'


def test_a_link_in_a_table_in_a_link_comes_out_settled() -> None:
    once = cleaned("<a href=x>1<table><a href=y>2</a></table></a>")
    assert cleaned(once) == once


@pytest.mark.parametrize("tag", ["div", "blockquote", "font"])
def test_absurd_nesting_does_not_hold_the_process(tag: str) -> None:
    started = time.perf_counter()
    assert "deep" in to_text(cleaned(f"<{tag}>" * 50_000 + "deep"))
    assert time.perf_counter() - started < 3


def test_a_drawing_of_many_paths_is_not_taken_for_nesting() -> None:
    drawing = f"<svg>{'<path d=0 />' * 3_000}</svg>"
    assert cleaned(f"<p><b>a</b></p>{drawing}") == "<p><b>a</b></p>"


@pytest.mark.parametrize("piece", ["<a ", "<div title='<", "<b><p>", "<x/>", "</p>", "<pre>", "&lt;<"])
def test_odd_tags_by_the_thousand_do_not_hold_the_process(piece: str) -> None:
    started = time.perf_counter()
    cleaned(piece * 20_000)
    assert time.perf_counter() - started < 5


def test_a_long_table_is_not_taken_for_nesting() -> None:
    assert cleaned("<table>" + "<tr><td>a" * 5_000 + "</table>").count("<td>") == 5_000


@pytest.mark.parametrize("tail", ["<b", "<p title='", "<!--", "<![CDATA[", "&#", "</", "<a href="])
def test_html_that_stops_short_harms_nothing(tail: str) -> None:
    assert cleaned("<p>before</p>" + tail).startswith("<p>before</p>")


PIECES = st.sampled_from(
    [
        *(
            "<a href=x>",
            "</a>",
            "<table>",
            "<tr><td>",
            "</table>",
            "<p>",
            "</p>",
            "<b>",
            "</b>",
            "<i>",
            "<li>",
        ),
        *(
            "<pre>\n",
            "</pre>",
            "<svg>",
            "<math>",
            "<style>",
            "</style>",
            "<title>",
            "<!--",
            "-->",
            "<select>",
        ),
        *(
            "&lt;",
            "&amp;lt;",
            "<ul>",
            "<div id='1'>",
            "</div>",
            "<h1>",
            "<img srcset='a, b 2x'>",
            "&#x0B;",
            "]]>",
        ),
        *(
            "<q cite='//x/'>",
            "<p title='\"><i>'>",
            "<template>",
            "<frameset>",
            "<plaintext>",
            "\x0c",
            "\ud800",
        ),
    ]
)
ANY_HTML = st.lists(PIECES | st.text(max_size=5), max_size=14).map("".join)


@settings(max_examples=300, deadline=None)
@given(ANY_HTML)
def test_sanitising_again_changes_nothing(text: str) -> None:
    once = cleaned(text)
    assert cleaned(once) == once


@settings(max_examples=200, deadline=None)
@given(ANY_HTML | st.text(), st.sampled_from(["markdown", "html", "text"]))
def test_whatever_is_written_xml_can_hold_and_no_script_is_left(text: str, kind: str) -> None:
    made = to_html(text, kind, BASE)  # type: ignore[arg-type]
    holder = etree.Element("content")
    holder.text = made
    assert (etree.fromstring(etree.tostring(holder)).text or "") == made
    assert not re.search(r"<(?:script|style|iframe|svg|math)|<[^>]*\son\w+=", made)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=":/?#[]@.%\\ ajvscript\t\n&;\x00é,x1"))
def test_every_url_that_stays_is_absolute_and_of_an_allowed_scheme(url: str) -> None:
    quoted = url.replace("&", "&amp;").replace('"', "&quot;")
    made = cleaned(f'<a href="{quoted}"><img src="{quoted}" srcset="{quoted}"></a>')
    for value in re.findall(r'="([^"]*)"', made):
        assert re.match(r"https?://[^/]|mailto:|tel:", value)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_text_comes_back_from_escaped_paragraphs(text: str) -> None:
    words = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "", text).split()
    assert to_text(to_html(text, "text", BASE)).split() == words


def test_plain_text_parts_blocks_and_joins_inline_words() -> None:
    html = cleaned("<h2>Rates</h2><p>They r<b>os</b>e &amp; fell&nbsp;<br>twice</p><ul><li>a<li>b</ul>")
    assert to_text(html) == "Rates They rose & fell twice a b"


def test_plain_text_does_not_trip_over_marks_in_attributes() -> None:
    assert to_text('<p title="a > b < c">d</p>') == "d"


def test_plain_text_has_no_footnote_marks() -> None:
    assert to_text(markdown("A claim[^1] stands.\n\n[^1]: Proof.")).startswith("A claim stands.")


def test_threads_do_not_mix_their_stories() -> None:
    bases = [f"https://news.example.org/stories/{number}/" for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda base: to_html('<a href="x">a</a>' * 50, "html", base), bases))
    assert all(text == f'<a href="{base}x">a</a>' * 50 for base, text in zip(bases, made, strict=True))
