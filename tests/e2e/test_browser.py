"""The pages in a real browser: readable, navigable, and silent in the console."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import missing
from tests.e2e.conftest import Service
from tests.stories import write_story

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("FEEDSVC_TEST_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        missing("Chromium (or FEEDSVC_TEST_CHROMIUM)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


def test_a_reader_finds_her_way_from_the_directory_to_a_story_and_its_tag(
    service: Service, browser: Browser
) -> None:
    for number in range(3):
        write_story(
            service.content,
            f"world/{number}.md",
            title=f"Story {number}",
            tags="[Rail]",
            date=f"2026-01-0{number + 1}",
        )
    write_story(service.content, "world/rtl.md", title="خبر", language="ar", body="نص قصير.")
    service.config.write_text(
        service.config.read_text().replace("https://news.example.org", f"http://127.0.0.1:{service.port}")
    )
    service.start()
    page = browser.new_page(viewport={"width": 320, "height": 700})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"http://127.0.0.1:{service.port}/")
    assert page.locator('link[rel="alternate"][type="application/rss+xml"]').count() >= 1
    page.get_by_role("link", name="World", exact=True).first.click()
    page.get_by_role("link", name="Story 1").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Story 1"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    page.get_by_role("link", name="Rail").first.click()
    assert "Rail" in page.title()
    page.goto(f"http://127.0.0.1:{service.port}/stories/world/rtl")
    assert page.locator("article").evaluate("element => getComputedStyle(element).direction") == "rtl"
    assert said == []
    page.close()
