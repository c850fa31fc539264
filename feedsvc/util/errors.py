"""One tree for every exception feedsvc raises on purpose.

A bad story is not exceptional: it is a `Rejected` value. These are for what a caller can't have meant.
"""


class FeedsvcError(Exception):
    """The root: its message is written for the person who must act on it."""


class ConfigError(FeedsvcError):
    """The configuration cannot be used. One finding a line: file, line, key, what was seen and is wanted."""


class StoreError(FeedsvcError):
    """The store cannot be opened, is newer or older than this feedsvc, or is gone.

    `condition` is the static name under which it is reported to operators.
    """

    def __init__(self, told: str, condition: str = "store-missing") -> None:
        super().__init__(told)
        self.condition = condition


class PageRefused(FeedsvcError):  # noqa: N818 - it names what happened to the page
    """A saved page has no headline or no body, or is too large, so that no story can be made of it."""
