"""What aggregators want of a feed, where they differ: the profiles that need no configuration.

Pure data. The figures are those of each aggregator's publisher documentation.
"""

from feedsvc.domain.model import DEFAULT_PROFILE, Profile

BUILT_IN: dict[str, Profile] = {
    "default": DEFAULT_PROFILE,
    # Reads that a story changed from pubDate; headlines beyond 110 characters are cut in its cards.
    "google-news": Profile(
        name="google-news",
        date="updated",
        content="full",
        required=("title", "content", "author"),
        title_length=110,
    ),
    # Keeps the first pubDate and wants the change beside it; an identifier that is a URL is taken for a link.
    "msn": Profile(
        name="msn",
        guid="opaque",
        content="full",
        required=("title", "content", "image"),
        image_width=600,
        title_length=150,
    ),
    # A story goes only if its item stays, says so, and has a new pubDate.
    "smartnews": Profile(
        name="smartnews",
        date="updated",
        content="full",
        required=("title", "content"),
        namespaces=(("snf", "http://www.smartnews.be/snf"),),
        deletion="status",
        items_most=100,
        feed_bytes=10_000_000,
    ),
    "flipboard": Profile(
        name="flipboard",
        content="full",
        required=("title", "content", "image"),
        items_least=30,
        image_width=400,
    ),
}
