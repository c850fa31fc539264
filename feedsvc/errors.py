"""One tree for every exception feedsvc raises on purpose.

A bad story is not exceptional: it is a `Rejected` value. These are for what a caller can't have meant.
"""


class FeedsvcError(Exception):
    """The root: its message is written for the person who must act on it."""


class ConfigError(FeedsvcError):
    """The configuration cannot be used. One finding a line: file, line, key, what was seen and is wanted."""


class StoreError(FeedsvcError):
    """The store cannot be opened, or is newer than this feedsvc."""


class PageRefused(FeedsvcError):  # noqa: N818 - it names what happened to the page
    """A saved page has no headline or no body, so that no story can be made of it."""
