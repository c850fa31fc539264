"""What makes a story file unreadable, with the place to look at.

Raised and caught within loading: outside it, a bad story is a `Rejected` value.
"""

from feedsvc.errors import FeedsvcError


class FieldError(FeedsvcError):
    """A key holds what it cannot. `key` is as its author wrote it; the message says what is wanted."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class FrontMatterError(FeedsvcError):
    """The file cannot be taken apart. `line` counts from 1 in the file; the message says what is wanted."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
