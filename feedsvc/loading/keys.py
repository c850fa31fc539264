"""The names of front matter keys: every field that feedsvc reads, with each name that authors use for it.

Pure: knows names (see `values.normalised`); must not know what a value means.
"""

from types import MappingProxyType
from typing import Final

KEYS: Final = MappingProxyType(
    {
        "id": ("id", "guid"),
        "title": ("title",),
        "published": (
            *("date", "published", "publisheddate", "pubdate"),
            *("created", "datepublished", "publishdate"),
        ),
        "updated": ("updated", "lastmod", "modified", "lastmodifiedat", "dateupdated", "datemodified"),
        "embargo": ("embargo", "publishdate"),
        "expires": ("expires", "expirydate", "unpublishdate"),
        "status": ("status",),
        "draft": ("draft",),
        "withdrawn": ("withdrawn",),
        "reason": ("withdrawal", "withdrawnreason", "reason"),
        "correction": ("correction", "corrected"),
        "section": ("section",),
        "categories": ("categories", "category"),
        "tags": ("tags", "tag", "keywords"),
        "authors": ("authors", "author", "byline", "creator"),
        "contributors": ("contributors", "contributor"),
        "source": ("source", "agency", "credit"),
        "original": ("original", "originalurl", "externalurl", "sourceurl"),
        "comments": ("comments", "commentsurl", "commentslink"),
        "dateline": ("dateline",),
        "summary": ("summary", "description", "excerpt"),
        "language": ("language", "lang"),
        "url": ("url", "permalink", "canonical", "canonicalurl", "link"),
        "images": ("images", "image", "cover", "featuredimage", "thumbnail", "hero"),
        "enclosures": ("enclosures", "enclosure", "audio", "podcast", "attachments"),
        "rights": ("rights", "copyright", "license"),
        "access": ("access",),
        "syndication": ("syndication", "syndicate"),
        "body": (
            "body",
            "content",
            "html",
            "text",
            "markup",
            "contenthtml",
            "contentmarkdown",
            "contenttext",
        ),
    }
)
"""Field → its names, normalised; if several of them have a value, the first counts."""

KNOWN: Final = frozenset(name for names in KEYS.values() for name in names)
"""Every name that feedsvc reads, except those of other systems' flags, which are in `flags`."""
