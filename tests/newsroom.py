"""A newsroom for state machines: what its authors mean, what they write for it, and who may have what then.

Shares no line with the service, and none of its tables of keys: what an author means is said here first, and
then written as people write it, with their slips and in other systems' words.
"""

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.test_gate_machine import HOUR, LEVELS, Story, allowed, feeds_of, lower, picture

PARTNERS = ("acme", "globex", "initech")
EVERYBODY = frozenset({"", *PARTNERS})
NEVER_YET, LONG_AGO = "2099-01-01", "2020-01-01"


@dataclass
class Piece(Story):
    """A story as its author means it.

    `is_held` says that the author means to hold it back, in words that may not be understood: nobody may see
    it. Of the audiences in `unsure` the words don't say that: they may see it, and need not.
    """

    is_held: bool = False
    unsure: frozenset[str] = frozenset()
    is_pushed: bool = False
    updated: datetime | None = None
    correction: bool = False


@dataclass(frozen=True)
class Rights:
    """What the configuration gives partners of the agency whose rights change, beside what always holds."""

    afp: str = "full"

    def most(self, piece: Piece, who: str, now: datetime) -> str:
        """The most that `who` may be shown of a story."""
        if piece.is_held and who not in piece.unsure:
            return "none"
        level = allowed(piece, who, now)
        if who and piece.source == "afp":
            level = lower(level, self.afp)
        return level if feeds_of(piece, who) else "none"

    def least(self, piece: Piece, who: str, now: datetime) -> str:
        """The least that `who` is to be shown of it."""
        return "none" if piece.is_held else self.most(piece, who, now)

    def could_have(self, piece: Piece, after: datetime, until: datetime) -> set[str]:
        """Who may have it at any instant between two."""
        moment = timedelta(microseconds=1)
        turns = [after, until, piece.published, piece.embargo, piece.published + 2 * HOUR]
        if piece.expires:
            turns.append(piece.expires - moment)
        instants = [turn for turn in turns if turn is not None and after <= turn <= until]
        return {who for who in EVERYBODY if any(self.most(piece, who, at) != "none" for at in instants)}


def is_less(level: str, than: str) -> bool:
    """Whether a level is less than another."""
    return LEVELS.index(level) < LEVELS.index(than)


def shown_at(level: str, piece: Piece, fmt: str) -> set[str]:
    """The marks of a story that a feed has which shows so much of it; a correction may stand beside."""
    parts = {"none": set[str](), "headline": {"title"}, "summary": {"title", "summary"}}
    marks = parts.get(level, {"title", "summary", "body"})
    # In Atom a picture stands in the text.
    if piece.image_may_syndicate and (level == "full" or (level == "summary" and fmt != "atom")):
        marks = marks | {"image"}
    return marks


# -- what is written ---------------------------------------------------------------------------------------

Line = tuple[str, str]
"""A key of front matter, and its value."""

MEANT: dict[str, tuple[str, ...]] = {
    "embargo": (NEVER_YET, f"{NEVER_YET}T10:00:00Z"),
    "publishDate": (NEVER_YET,),
    "expires": (LONG_AGO,),
    "access": ("internal",),
    "status": ("draft", "withdrawn"),
    "syndication": ("none",),
    "withdrawn": ("true", "Libel"),
    "unlisted": ("true",),
    "published": ("false",),
}
"""What an author may mean, under the key that is right."""

MISSPELT: tuple[Line, ...] = (
    ("embagro", NEVER_YET),
    ("Embargoed", NEVER_YET),
    ("embargo_until", f"{NEVER_YET} 10:00"),
    ("embargo-date", NEVER_YET),
    ("hold_until", NEVER_YET),
    ("go_live_at", NEVER_YET),
    ("publihsDate", NEVER_YET),
    ("acces", "internal"),
    ("acess", "internal"),
    ("accss", "internal"),
    ("access_level", "internal"),
    ("expiry", LONG_AGO),
    ("expire_on", LONG_AGO),
    ("expirse", LONG_AGO),
    ("unpublish_at", LONG_AGO),
    ("publish", "false"),
    ("publsihed", "false"),
    ("darft", "true"),
    ("is_draft", "yes"),
    ("staus", "draft"),
    ("statsu", "withdrawn"),
    ("story_status", "draft"),
    ("withdrwan", "true"),
    ("retracted", "true"),
    ("killed", "Libel"),
    ("private", "true"),
    ("do_not_publish", "true"),
    ("approved", "false"),
)
"""How people write it when they write it wrong; nobody may see such a story."""

FLAGS: tuple[Line, ...] = (
    ("unlisted", "true"),
    ("draft", "true"),
    ("published", "false"),
    ("hidden", "true"),
    ("headless", "true"),
    ("build", "{list: never, render: never}"),
    ("_build", "{list: local}"),
    ("render", "false"),
    ("permalink", "false"),
    ("eleventyExcludeFromCollections", "true"),
    ("visibility", "paid"),
    ("visibility", "members"),
    ("visibility", "private"),
    ("email_only", "true"),
    ("password", "hunter2"),
    ("post_password", "hunter2"),
    ("members_only", "true"),
    ("premium", "true"),
    ("isAccessibleForFree", "false"),
    ("feed", "false"),
    ("exclude_from_feed", "true"),
    ("status", "pending"),
    ("status", "private"),
    ("status", "scheduled"),
    ("status", "trash"),
)
"""How other systems say that a story is not published, not listed, or not for everybody."""

RUINS: tuple[str, ...] = (
    "keywords: [a",
    "dateline: 'Brussels",
    "authors: {name: Jane",
    "x: y: z",
    "- a\nb: c",
)
"""Lines by which no header can be read."""


@st.composite
def slips(draw: st.DrawFn) -> tuple[str, str, str]:
    """A restricting key with one slip of letters: the key as meant, as written, and its value."""
    key = draw(st.sampled_from(sorted(MEANT)))
    at = draw(st.integers(1, len(key) - 2))
    letter = draw(st.sampled_from(string.ascii_lowercase))
    written = draw(
        st.sampled_from(
            [
                key[:at] + key[at + 1 :],
                key[:at] + letter + key[at:],
                key[:at] + letter + key[at + 1 :],
                key[:at] + key[at + 1] + key[at] + key[at + 2 :],
            ]
        )
    )
    return key, written, draw(st.sampled_from(MEANT[key]))


def as_file(piece: Piece, more: Sequence[Line] = (), ruin: str = "") -> str:
    """A story file, in feedsvc's own words but for what is added or ruined."""
    lines: list[Line] = [
        ("id", piece.id),
        ("title", piece.mark("title")),
        ("date", piece.published.isoformat()),
        ("summary", piece.mark("summary")),
        ("section", piece.section.title()),
        *_own(piece),
        *more,
    ]
    if piece.tags:
        lines.append(("tags", f"[{', '.join(tag.title() for tag in piece.tags)}]"))
    if piece.source:
        lines.append(("source", piece.source.upper()))
    may = str(piece.image_may_syndicate).lower()
    lines.append(("images", f"[{{url: '{picture(piece)}', may_syndicate: {may}}}]"))
    head = "\n".join(f"{key}: {value}" for key, value in lines)
    return (
        f"---\n{head}\n{ruin}\n---\n\n{_body(piece)}\n" if ruin else f"---\n{head}\n---\n\n{_body(piece)}\n"
    )


def _own(piece: Piece) -> Iterator[Line]:
    """What holds back, as it is to be written."""
    if piece.status != "published":
        yield "status", piece.status
    if piece.status == "withdrawn":
        yield "reason", piece.mark("reason")
    if piece.embargo:
        yield "embargo", piece.embargo.isoformat()
    if piece.expires:
        yield "expires", piece.expires.isoformat()
    if piece.access != "public":
        yield "access", piece.access
    if piece.syndication:
        levels = ", ".join(f"{who}: {level}" for who, level in sorted(piece.syndication.items()))
        yield "syndication", f"{{{levels}}}"
    if piece.correction:
        yield "correction", piece.mark("correction")


def _body(piece: Piece) -> str:
    return f"It began.\n\n{piece.mark('body')} ![]({picture(piece)})\n\n{piece.mark('last')}"


def as_document(piece: Piece) -> dict[str, Any]:
    """A story as it is pushed."""
    instants = {
        name: moment.isoformat()
        for name in ("published", "updated", "embargo", "expires")
        if (moment := getattr(piece, name)) is not None
    }
    return {
        "title": piece.mark("title"),
        "summary": piece.mark("summary"),
        "body": _body(piece),
        "section": piece.section.title(),
        "tags": [tag.title() for tag in piece.tags],
        "access": piece.access,
        "syndication": piece.syndication,
        "images": [{"url": picture(piece), "may_syndicate": piece.image_may_syndicate}],
        **instants,
        **({"source": piece.source.upper()} if piece.source else {}),
        **({"status": piece.status} if piece.status != "published" else {}),
        **({"withdrawal": piece.mark("reason")} if piece.status == "withdrawn" else {}),
        **({"correction": piece.mark("correction")} if piece.correction else {}),
    }


# -- what is read ------------------------------------------------------------------------------------------

_MARK = re.compile(rb"q(title|summary|body|last|image|reason|correction)([a-z]\d+)v(\d+)z|id-([a-z]\d+)-di")

Found = dict[str, set[tuple[str, int]]]
"""Of each story by its name, what of it was found, and of which version (-1 for its id)."""


def found_in(raw: bytes) -> Found:
    """All that can be told of any story in some bytes."""
    found: Found = {}
    for what, name, version, named in _MARK.findall(raw):
        if named:
            found.setdefault(named.decode(), set()).add(("id", -1))
        else:
            found.setdefault(name.decode(), set()).add((what.decode(), int(version)))
    return found


def taken_away(piece: Piece, how: str, now: datetime) -> Piece:
    """A story of which somebody may have less, by an editor's decision."""
    changes: dict[str, dict[str, Any]] = {
        "internal": {"access": "internal"},
        "partners only": {"access": "partners"},
        "not syndicated": {"syndication": {"partners": "none"}},
        "not for acme": {"syndication": {"acme": "none"}},
        "headline for partners": {"syndication": {"partners": "headline"}},
        "not for the public": {"syndication": {"public": "none"}},
        "expired": {"expires": now - HOUR},
        "expires": {"expires": now + HOUR},
        "embargoed": {"embargo": now + HOUR},
        "excluded tag": {"tags": ("local",)},
        "excluded section": {"section": "sport"},
        "agency": {"source": "reuters"},
        "headline of an agency": {"source": "ap"},
        "draft": {"status": "draft"},
    }
    return replace(piece, **changes[how])


LESS = (
    *("internal", "partners only", "not syndicated", "not for acme", "headline for partners"),
    *("not for the public", "expired", "expires", "embargoed", "excluded tag", "excluded section"),
    *("agency", "headline of an agency", "draft"),
)
"""The ways of `taken_away`."""
