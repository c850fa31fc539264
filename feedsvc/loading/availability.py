"""Whether a story is published, and for whom, by its front matter: status, withdrawal, access, syndication.

Pure: combines feedsvc's own keys with the flags of other systems (see `flags`). A value that may be meant to
hold the story back and cannot be interpreted is an error; such a story is never published. Embargo and expiry
are in `instants`.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from feedsvc.domain.model import BEGINNING, Status
from feedsvc.domain.rights import ACCESSES, LEVELS, Access, Level
from feedsvc.loading import dates, instants
from feedsvc.loading.errors import FieldError
from feedsvc.loading.flag_keys import PASSWORDS
from feedsvc.loading.flags import FLAGS, Asks, is_honoured
from feedsvc.loading.front_matter import FrontMatter
from feedsvc.loading.generators import Generator
from feedsvc.loading.keys import KEYS
from feedsvc.loading.path import Place, is_of_drafts, is_underscored, of_packages
from feedsvc.loading.values import Written, as_flag, flag, labels, line, normalised, plain_text, shown
from feedsvc.loading.vocabulary import NEVER, audience_of, is_nearly_held, status_of

_LIKE_A_DATE: Final = re.compile(r"\d{4}[-/][\d\sTtZz:.,+/-]*", re.ASCII)


_WITHOUT_STATUS: Final = frozenset({"hugo", "jekyll", "eleventy", "zola", "hexo", "docusaurus", "astro"})


class Hold(NamedTuple):
    """A reason to hold a story back: what it asks for, and its wording, such as `unlisted: true`."""

    asks: Asks
    words: str


def holds(found: FrontMatter, place: Place, generator: Generator | None) -> list[Hold]:
    """Everything besides feedsvc's own keys that holds the story back.

    These are its folders' `draft` key, flags of other systems, the names of its folders and file, and
    Nikola's tags. Raises FieldError for such a flag whose value cannot be interpreted.
    """
    return [
        *_by_folders(found),
        *_by_flags(found, generator, place.name),
        *_by_place(place, generator),
        *_by_tags(found, generator),
    ]


def _by_folders(found: FrontMatter) -> Iterator[Hold]:
    """A folder's `draft: true`. Flags of other systems set on a folder are handled by `_by_flags`."""
    draft = found.first("draft")
    if draft and draft.part and flag(draft):
        yield Hold("draft", f"{draft.key}: true{draft.part}")


def _by_flags(found: FrontMatter, generator: Generator | None, name: str) -> Iterator[Hold]:
    for key in sorted(key for key in found.fields if key in FLAGS):
        written = found.fields[key]
        if is_honoured(key, generator, name) and (asked := FLAGS[key](written)):
            shown_value = "…" if key in PASSWORDS else _as_written(written.value)
            yield Hold(asked, f"{written.key}: {shown_value}{written.part}")


def _as_written(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_as_written(one)}" for key, one in list(value.items())[:3])
    return shown(value).strip("'")


def _by_place(place: Place, generator: Generator | None) -> Iterator[Hold]:
    for folder in place.folders:
        # To Hugo `drafts` is a section as any other.
        is_held = is_of_drafts(folder) and (folder.startswith("_") or generator != "hugo")
        if is_held or (generator is None and is_underscored(folder)):
            yield Hold("draft", f"the folder {folder}/")
    if packages := of_packages(place.folders):
        yield Hold("draft", f"the folder {packages}/")
    if place.name.startswith("_") and generator is None:
        yield Hold("draft", f"the name {place.name}, which site generators leave out")


def _by_tags(found: FrontMatter, generator: Generator | None) -> Iterator[Hold]:
    """Nikola's tags that mean the same as its `status`: https://getnikola.com/handbook.html#drafts"""
    written = found.first("tags") if generator == "nikola" else None
    for tag in sorted({"draft", "private"} & set(labels(written) if written else ())):
        yield Hold("draft", f"the tag {tag}")


def status(found: FrontMatter, holds: Sequence[Hold], generator: Generator | None) -> Status:
    """The story's status, by its own keys and by `holds`.

    `generator` is the one the stories are written for. Raises FieldError for a value that is no status or no
    flag.
    """
    explicit = found.first("status")
    named = _named_status(explicit, generator) if explicit else None
    withdrawn = found.first("withdrawn")
    if named == "withdrawn" or (withdrawn and as_flag(withdrawn.value) is not False):
        return "withdrawn"
    draft, published = found.first("draft"), found.first("published")
    if (
        named == "draft"
        or (draft and flag(draft))
        or (published and _is_unpublished(published))
        or any(_is_never(written) for written in found.all(*KEYS["published"]))
        or any(hold.asks == "draft" for hold in holds)
    ):
        return "draft"
    # Nobody writes a reason for withdrawing into a story that is to stay published.
    if named is None and found.first("withdrawal", "withdrawnreason"):
        return "withdrawn"
    return "published"


def _named_status(written: Written, generator: Generator | None) -> Status:
    word = line(written)
    if named := status_of(word):
        return named
    # If the generator has no key `status`, the site uses it for something else: an event, or a proposal.
    if generator in _WITHOUT_STATUS and not is_nearly_held(word):
        return "published"
    raise written.unfit("is not a status; write draft, published or withdrawn", "status-unknown")


def _is_unpublished(written: Written) -> bool:
    """Jekyll's `published: false`, and `published: hidden` or `none` as some write it."""
    if isinstance(written.value, str) and written.value.strip().lower() in NEVER:
        return True
    return instants.is_no_date(written) and status_of(str(written.value)) != "published"


def _is_never(written: Written) -> bool:
    """`publishDate: never`: no embargo, and no publication either."""
    return (isinstance(written.value, str) and written.value.strip().lower() == "never") or (
        normalised(written.key) == "publishdate" and as_flag(written.value) is False
    )


def withdrawal(found: FrontMatter, zone: ZoneInfo) -> str:
    """The reason for the withdrawal that readers are shown; "" if none is written. Raises FieldError."""
    written = found.first("withdrawn")
    if written and as_flag(written.value) is None and _withdrawn_at(written, zone) is None:
        return plain_text(written)
    reason = found.first(*KEYS["reason"])
    return plain_text(reason) if reason else ""


def withdrawn(found: FrontMatter, zone: ZoneInfo, published: datetime, updated: datetime) -> datetime | None:
    """When the story was withdrawn (aware UTC): the date under `withdrawn`, else that of the last change.

    None if there is neither. `published` and `updated` are aware UTC. Raises FieldError.
    """
    written = found.first("withdrawn")
    if written and (moment := _withdrawn_at(written, zone)):
        return moment
    return updated if updated > published else None


def _withdrawn_at(written: Written, zone: ZoneInfo) -> datetime | None:
    """The date under `withdrawn` (aware UTC); None if a flag or a reason is written there instead."""
    if as_flag(written.value) is not None:
        return None
    if moment := dates.instant(written.value, zone):
        return max(moment, BEGINNING)
    if isinstance(written.value, str) and not _LIKE_A_DATE.fullmatch(written.value.strip()):
        return None
    raise written.unfit(f"is not a date; {instants.A_DATE}", "date-invalid")


def access(found: FrontMatter, holds: Sequence[Hold]) -> Access:
    """Whom the story is for: the most restrictive of its `access` key and of `holds`. Raises FieldError."""
    named: list[Access] = [hold.asks for hold in holds if hold.asks != "draft"]
    if written := found.first("access"):
        named.append(_access(written))
    fewest: tuple[Access, ...] = ("internal", "members", "partners")
    return next((one for one in fewest if one in named), "public")


def _access(written: Written) -> Access:
    word = line(written).lower()
    named = next((one for one in ACCESSES if one == word), None) or audience_of(word)
    if named is None:
        raise written.unfit(f"is no access; write {', '.join(ACCESSES)}", "access-unknown")
    return named


def syndication(found: FrontMatter, partners: tuple[str, ...]) -> tuple[tuple[str, Level], ...]:
    """Pairs of audience and level: how much of the story the public, all partners, or one partner may have.

    A level without an audience applies to partners, as they are the ones who syndicate. `partners` are the
    names that the configuration has. Raises FieldError.
    """
    written = found.first("syndication", "syndicate")
    if written is None:
        return ()
    if not isinstance(written.value, dict):
        return (("partners", _level(written)),)
    levels: dict[str, Level] = {}
    for name, value in written.value.items():
        whom = str(name).strip().lower()
        if whom not in {"public", "partners", *partners}:
            wanted = " or ".join(["public", "partners", *partners])
            told = f"{written.key}: {str(name)[:60]!r} is nobody it could be for; write {wanted}"
            raise FieldError(written.key, told, "syndication-unknown")
        levels[whom] = _level(Written(written.key, value, f".{name}"))
    return tuple(sorted(levels.items()))


def _level(written: Written) -> Level:
    said = as_flag(written.value)
    if said is not None:
        return "full" if said else "none"
    level = next((one for one in LEVELS if one == line(written).lower()), None)
    if level is None:
        raise written.unfit("is no right; write full, summary, headline or none", "syndication-unknown")
    return level
