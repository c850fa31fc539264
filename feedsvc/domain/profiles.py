"""What each aggregator requires of a feed: the built-in profiles, which need no configuration.

Pure data. The figures are those of each aggregator's publisher documentation.
"""

from feedsvc.domain.model import DEFAULT_PROFILE, Profile

BUILT_IN: dict[str, Profile] = {
    "default": DEFAULT_PROFILE,
    # Detects by pubDate that a story changed; its cards cut headlines longer than 110 characters.
    "google-news": Profile(
        name="google-news",
        date="updated",
        content="full",
        required=("title", "content", "author"),
        title_length=110,
    ),
    # Wants pubDate unchanged and the date of a change in an element beside it; takes a guid that is a URL
    # for a link.
    "msn": Profile(
        name="msn",
        guid="opaque",
        content="full",
        required=("title", "content", "image"),
        image_width=600,
        title_length=150,
    ),
    # Removes a story only if its item stays in the feed, says that it is deleted, and has a new pubDate.
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
