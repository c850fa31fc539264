"""Feeds opened in a real browser: they say what they are, and show their stories instead of their source."""

from collections.abc import Iterator

import pytest
from lxml import etree
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import Service
from tests.e2e.test_browser import browser as browser
from tests.stories import write_story

HEADLINES = {"rss": "channel > item > title", "atom": "feed > entry > title"}
DATES = {"rss": "item > pubDate", "atom": "entry > published"}
SUMMARIES = {"rss": "item > description", "atom": "entry > summary"}
FORMATS = sorted(HEADLINES)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service whose site is where it is served, as the address of the style sheet says."""
    made = Service(tmp_path_factory.mktemp("service"))
    made.config.write_text(
        made.config.read_text().replace("https://news.example.org", f"http://127.0.0.1:{made.port}")
    )
    write_story(
        made.content,
        "world/ports.md",
        "Ships & *shoes*.\n\n<aside>Quicksilver</aside>",
        title="'Ports & <Seas> of the World'",
        summary="Short and to the point.",
        author="Jane Doe",
        tags="[Rail]",
    )
    write_story(made.content, "world/rtl.md", "نص قصير.", title="خبر", language="ar", date="2026-01-01")
    made.start()
    yield made
    made.kill()
    made.client.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """The narrowest window there is, in each colour scheme in turn."""
    opened = browser.new_page(viewport={"width": 320, "height": 700}, color_scheme=request.param)
    yield opened
    opened.close()


def open_feed(page: Page, service: Service, fmt: str, key: str = "all") -> None:
    page.goto(f"http://127.0.0.1:{service.port}/feeds/{key}.{fmt}")


def read(page: Page) -> str:
    """All that can be read on the page."""
    text: str = page.evaluate(
        "() => { getSelection().selectAllChildren(document.documentElement); return `${getSelection()}` }"
    )
    return text


def style(page: Page, selector: str, name: str, pseudo: str = "") -> str:
    value: str = page.evaluate(
        "([selector, name, pseudo]) => getComputedStyle(document.querySelector(selector), pseudo)[name]",
        [selector, name, pseudo],
    )
    return value


def luminance(colour: str) -> float:
    """Relative luminance of an `rgb(…)`: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("fmt", FORMATS)
def test_feed_in_a_browser_shows_stories_and_not_its_source(service: Service, page: Page, fmt: str) -> None:
    open_feed(page, service, fmt)
    headline = page.locator(HEADLINES[fmt]).first
    assert headline.is_visible()
    text = read(page)
    for told in ("Ports & <Seas> of the World", "Short and to the point.", "Jane Doe", "The Daily Example"):
        assert told in text
    for source in ("<p>", "</", "Quicksilver", "tag:news.example.org", "feedsvc", "<?xml"):
        assert source not in text


@pytest.mark.parametrize("fmt", FORMATS)
def test_feed_in_a_browser_says_what_it_is(service: Service, page: Page, fmt: str) -> None:
    open_feed(page, service, fmt)
    said = style(page, ":root", "content", "::before")
    assert "This is a web feed." in said
    assert "feed reader" in said


@pytest.mark.parametrize("fmt", FORMATS)
def test_feed_in_a_browser_is_legible_in_the_narrowest_window(service: Service, page: Page, fmt: str) -> None:
    open_feed(page, service, fmt)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    paper = luminance(style(page, ":root", "backgroundColor"))
    for selector in (HEADLINES[fmt], SUMMARIES[fmt], DATES[fmt]):
        ink = luminance(style(page, selector, "color"))
        lighter, darker = max(paper, ink), min(paper, ink)
        # Level AA: https://www.w3.org/TR/WCAG22/#contrast-minimum
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, selector


def test_right_to_left_story_reads_so(service: Service, page: Page) -> None:
    open_feed(page, service, "atom")
    assert page.evaluate(
        "[...document.querySelectorAll('entry')].map(entry => getComputedStyle(entry).direction)"
    ) == ["ltr", "rtl"]
    open_feed(page, service, "rss")
    assert style(page, HEADLINES["rss"], "unicodeBidi") == "plaintext"


@pytest.mark.parametrize("key", ["all", "sections/world", "tags/rail", "authors/jane-doe", "custom/top"])
def test_feed_names_the_page_for_people_that_shows_the_same(service: Service, key: str) -> None:
    atom = etree.fromstring(service.get(f"/feeds/{key}.atom").content)
    (named,) = atom.xpath(
        "a:link[@rel='alternate'][@type='text/html']/@href",
        namespaces={"a": "http://www.w3.org/2005/Atom"},
    )
    rss = etree.fromstring(service.get(f"/feeds/{key}.rss").content)
    assert rss.findtext("channel/link") == named
    assert service.get(f"/feeds/{key}.json").json()["home_page_url"] == named
    answer = service.get(named.removeprefix(f"http://127.0.0.1:{service.port}"))
    assert answer.status_code == 200
    assert "Ports &amp; &lt;Seas&gt; of the World" in answer.text


def test_feed_has_its_own_media_type_for_all_but_browsers(service: Service) -> None:
    for fmt in FORMATS:
        as_reader = service.get(f"/feeds/all.{fmt}")
        as_page = service.get(f"/feeds/all.{fmt}", Sec_Fetch_Dest="document")
        assert as_reader.headers["content-type"] == f"application/{fmt}+xml; charset=utf-8"
        assert as_page.headers["content-type"] == "application/xml; charset=utf-8"
        assert as_page.content == as_reader.content
        # A shared cache must not give it to a feed reader.
        assert as_page.headers["cache-control"].startswith("private")
        assert "Sec-Fetch-Dest" in as_page.headers["vary"]
        assert "default-src 'none'" in as_page.headers["content-security-policy"]
