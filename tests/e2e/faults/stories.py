"""What a story of a fault run says, pushed or in a file: its name and the number of its version.

Knows both forms, and nothing of what becomes of them.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from math import inf
from typing import Any

from tests.e2e.faults.reference import Version

_MARK = re.compile(rb"Story ([a-z]\d+) version (\d+)\.")
_SECTIONS = ("World", "Sport")
_TAGS = ("Rail", "Harbour")
_REASON = "It was not so."
FEEDS = ("all", "sections/world", "sections/sport", "tags/rail", "custom/top")
"""Those that are watched."""


def title(name: str, version: Version) -> str:
    """What every format and page has of a story."""
    return f"Story {name} version {version.number}."


def found_in(body: bytes) -> set[tuple[str, int]]:
    """The stories that stand in a response, each with the versions of it."""
    return {(name.decode(), int(number)) for name, number in _MARK.findall(body)}


def document(name: str, version: Version, published: float, now: float) -> dict[str, Any]:
    """A story as it is pushed."""
    told: dict[str, Any] = {
        "title": title(name, version),
        "body": "The ferry operators met again, and nobody left early.",
        "published": _iso(published),
        "updated": _iso(now),  # so that an attempt that comes late is known to be older
        "section": _of(name, _SECTIONS),
        "tags": [_of(name[::-1], _TAGS)],
        "authors": ["Jane Doe"],
        "status": version.status,
    }
    if version.status == "withdrawn":
        told |= {"withdrawal": _REASON, "withdrawn": _iso(now)}
    return told | dict(_window(version))


def file(name: str, version: Version, published: float, now: float) -> str:
    """The same as a file."""
    told = {
        "id": name,
        "title": title(name, version),
        "date": _iso(published),
        "updated": _iso(now),
        "section": _of(name, _SECTIONS),
        "tags": f"[{_of(name[::-1], _TAGS)}]",
        "author": "Jane Doe",
        "status": version.status,
    }
    if version.status == "withdrawn":
        told |= {"reason": _REASON, "withdrawn": _iso(now)}
    lines = "\n".join(f"{key}: {value}" for key, value in (told | dict(_window(version))).items())
    return f"---\n{lines}\n---\n\nThe ferry operators met again, and nobody left early.\n"


def bulk_file(number: int) -> str:
    """One of many files that arrive at once: of long ago, so that no feed shows it that others are in."""
    return (
        f"---\ntitle: Archive {number}\ndate: 2001-02-03T04:{number % 60:02}:00Z\nsection: Archive\n---\n\n"
        f"Volume {number} of the old paper.\n"
    )


def _window(version: Version) -> Iterable[tuple[str, str]]:
    if version.embargo:
        yield "embargo", _iso(version.embargo)
    if version.expires != inf:
        yield "expires", _iso(version.expires)


def _of(name: str, choices: tuple[str, ...]) -> str:
    return choices[sum(name.encode()) % len(choices)]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
