"""Django's syndication framework with its cache: a feed of 50 stories from SQLite, as documented.

Run by gunicorn as a site in the folder that DJANGO_SITE_FOLDER names; by itself it fills the database there
with the items of `stories.json`, a JSON Feed.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.contrib.syndication.views import Feed
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.urls import path

_FOLDER = Path(os.environ["DJANGO_SITE_FOLDER"])

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret: it signs nothing",
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": _FOLDER / "stories.db"}},
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    CACHE_MIDDLEWARE_SECONDS=3600,
    # The order that Django's documentation gives. The cache holds compressed responses, one for each coding.
    MIDDLEWARE=[
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ],
)
django.setup()


class Story(models.Model):
    """A story as the feed shows it."""

    title = models.TextField()
    url = models.TextField()
    html = models.TextField()
    author = models.TextField()
    tags = models.TextField()
    published = models.DateTimeField(db_index=True)

    class Meta:
        app_label = "benchmarks"


class AllStories(Feed):
    """The newest 50."""

    title = "The Daily Example"
    link = "https://news.example.org/"
    description = "Invented news"

    def items(self) -> Any:
        return Story.objects.order_by("-published")[:50]

    def item_title(self, item: Story) -> str:
        return item.title

    def item_description(self, item: Story) -> str:
        return item.html

    def item_link(self, item: Story) -> str:
        return item.url

    def item_author_name(self, item: Story) -> str:
        return item.author

    def item_categories(self, item: Story) -> list[str]:
        return item.tags.split("\n")

    def item_pubdate(self, item: Story) -> datetime:
        return item.published


urlpatterns = [path("feeds/all.rss", AllStories())]
application = get_wsgi_application()


def _fill() -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Story)
    for item in json.loads((_FOLDER / "stories.json").read_text("utf-8"))["items"]:
        Story.objects.create(
            title=item["title"],
            url=item["url"],
            html=item["content_html"],
            author=", ".join(author["name"] for author in item.get("authors", ())),
            tags="\n".join(item.get("tags", ())),
            published=datetime.fromisoformat(item["date_published"]),
        )


if __name__ == "__main__":
    _fill()
