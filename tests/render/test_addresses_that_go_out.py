"""No address goes out that is neither the newsroom's own nor a standard's: feedsvc has no page of its own."""

import re

from feedsvc import __version__
from feedsvc.outbound import http_client
from feedsvc.web.site import opml
from tests.receiver import Receiver
from tests.stories import article
from tests.validation.feeds import SITE, feed_of, rendered

NEWSROOM = {"news.example.org", "hub.example.org"}
STANDARDS = {
    *("www.w3.org", "purl.org", "search.yahoo.com", "www.rssboard.org", "jsonfeed.org", "opml.org"),
}


def hosts(document: bytes) -> set[str]:
    return set(re.findall(r"https?://([^/\"'<>\s&]*)", document.decode()))


def test_feeds_and_lists_of_them_name_the_newsroom_and_standards_alone() -> None:
    documents = [one.body for one in rendered(feed_of(article(), key="sections/world"))]
    for document in (*documents, opml.document(SITE, [])):
        assert hosts(document) <= NEWSROOM | STANDARDS


def test_generator_is_a_name_and_a_version() -> None:
    rss, atom, _ = (one.body.decode() for one in rendered(feed_of()))
    assert f"<generator>feedsvc {__version__}</generator>" in rss
    assert f'<generator version="{__version__}">feedsvc</generator>' in atom


def test_webhooks_are_told_a_name_and_a_version(receiver: Receiver) -> None:
    http_client.post(receiver.url, b"{}", {}, private=True)
    ((_, headers, _),) = receiver.got
    assert headers["User-Agent"] == f"feedsvc/{__version__}"
