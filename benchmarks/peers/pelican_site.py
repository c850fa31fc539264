"""Pelican, building the same feeds of the same stories: RSS alone, and no page for people.

Pelican has no sections below sections: its categories are the beats. One format, where
feedsvc publishes three.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measuring import Cost, cost
from benchmarks.running import ROOT

_LIMIT_SECONDS = 1800
_CONFIG = """\
import sys

sys.path.insert(0, {root!r})
from benchmarks.peers.pelican_reader import StoryReader

SITENAME = "The Daily Example"
SITEURL = "https://news.example.org"
PATH = {content!r}
OUTPUT_PATH = "public"
DELETE_OUTPUT_DIRECTORY = True
TIMEZONE = "UTC"
THEME = "simple"
READERS = {{"md": StoryReader}}
IGNORE_FILES = ["_index.md"]
PATH_METADATA = r"(?P<category>[^/]+/[^/]+)/.*"
FEED_DOMAIN = SITEURL
FEED_MAX_ITEMS = 50
RSS_FEED_SUMMARY_ONLY = False
FEED_ALL_RSS = "feeds/all.rss"
CATEGORY_FEED_RSS = "feeds/sections/{{slug}}.rss"
TAG_FEED_RSS = "feeds/tags/{{slug}}.rss"
AUTHOR_FEED_RSS = "feeds/authors/{{slug}}.rss"
FEED_ALL_ATOM = CATEGORY_FEED_ATOM = AUTHOR_FEED_ATOM = TRANSLATION_FEED_ATOM = None
DIRECT_TEMPLATES = []
ARTICLE_SAVE_AS = CATEGORY_SAVE_AS = TAG_SAVE_AS = AUTHOR_SAVE_AS = DRAFT_SAVE_AS = ""
ARTICLE_URL = "{{category}}/{{slug}}"
STATIC_PATHS = []
"""


def is_installed() -> bool:
    """Whether there is a Pelican that reads Markdown."""
    return find_spec("pelican") is not None and find_spec("markdown") is not None


class PelicanSite:
    """A Pelican site in `folder` over the stories in `content`."""

    def __init__(self, folder: Path, content: Path) -> None:
        self.folder = folder
        text = _CONFIG.format(root=str(ROOT), content=str(content.absolute()))
        (folder / "pelicanconf.py").write_text(text, "utf-8")

    def build(self, *, with_memory: bool = False) -> Cost:
        """Build every feed, from nothing."""
        command = [sys.executable, "-m", "pelican", "--settings", "pelicanconf.py", "--quiet"]
        return cost(command, self.folder, limit=_LIMIT_SECONDS, with_memory=with_memory)

    def feeds(self) -> int:
        """How many feeds the last build wrote."""
        return sum(1 for _ in (self.folder / "public").rglob("*.rss"))
