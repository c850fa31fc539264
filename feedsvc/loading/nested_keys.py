"""Keys within tables of front matter that may hold a story back, where feedsvc reads none of them.

Pure. `author: {name: Jane, embargo: 2027-01-01}` is a slip of indentation, and `cms: {status: draft}` another
system's table: which table a key stands in says how much it may mean. Keys at the top level are in
`unknown_keys`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rapidfuzz.distance import OSA

from feedsvc.loading.errors import FieldError
from feedsvc.loading.flags import FLAGS
from feedsvc.loading.keys import KEYS, KNOWN
from feedsvc.loading.suspicion import holds_back, is_later
from feedsvc.loading.unknown_keys import OWN, TABLES, refused, suspect
from feedsvc.loading.values import Written, as_flag, normalised, shown
from feedsvc.loading.vocabulary import SYNONYMS, Suspect

_READ: Final = frozenset({*KEYS["images"], *KEYS["enclosures"], *KEYS["syndication"]})
"""Tables whose every part is read, or refused by `refuse_in_part`."""
_OF_STORY: Final = (
    TABLES
    | (KNOWN - set(KEYS["body"]))
    | {
        *("custom", "page", "entry", "document", "doc", "options", "data", "gate", "properties", "props"),
        *("config", "schedule", "publish", "desk", "control", "admin"),
    }
)
"""Tables that tell of the story itself, those into which a key slips from the line below included."""
_OF_DATES: Final = frozenset({"publishing", "publication", "scheduling", "scheduled", "gate", "timing"})
_ANYWHERE: Final = frozenset({"embargo", "draft", "withdrawn", "unpublish_date"})
"""What in any other table may mean the story too: an offer expires, a project has a status."""
_MISPLACED: Final = _ANYWHERE | {
    *("expires", "expiryDate", "access", "status", "published", "publishDate"),
    *("syndication", "syndicate", "unlisted"),
}


class _Part(NamedTuple):
    """One key within a table; `path` leads to it, `is_of_story` is its table's."""

    name: str
    value: object
    path: str
    is_of_story: bool
    is_listed: bool


class _Table(NamedTuple):
    """A table of a story whose other keys are `fields`; the story is out from `since` (aware UTC) on."""

    written: Written
    fields: Mapping[str, Written]
    zone: ZoneInfo
    since: datetime

    def misplaced(self, name: str, value: object, path: str, nearest: str) -> FieldError:
        """The error of a key in this table, at `path` within it."""
        seen = f"{self.written.key}{path}: {shown(value)}"
        told = f"{seen} may be meant to hold the story back, and is not read within {self.written.key}"
        wanted = f"write {nearest}: … at the beginning of a line if it is, else another name"
        # The line of a key that stands at the top level, too, would be found there.
        key = self.written.key if normalised(name) in self.fields else name
        return FieldError(key, f"{told}; {wanted}", "key-misplaced")


def refuse(fields: Mapping[str, Written], zone: ZoneInfo, since: datetime) -> None:
    """Raise FieldError for a key within a table that may be meant to hold the story back.

    `fields` are those of a story that nothing else holds back, by their normalised keys; `since` (aware UTC)
    is from when on it is out.
    """
    for key, written in fields.items():
        if isinstance(written.value, dict | list) and key not in _READ:
            _refuse_in(_Table(written, fields, zone, since), key)
        elif written.value == "never" and _is_nearly_build(key):
            raise refused(written, Suspect("flag", "build"))


def _refuse_in(table: _Table, key: str) -> None:
    value = table.written.value
    if _is_nearly_build(key):
        _refuse_build(table.written)
    if isinstance(value, dict):
        _refuse_by_table(table, key, value, "")
    for part in _inside(value, "", key in _OF_STORY, is_listed=False):
        _refuse_part(table, part)


def has_table(written: Iterable[Written]) -> bool:
    """Whether any of these values is a table, or a list of some."""
    return any(
        isinstance(one.value, dict)
        or (isinstance(one.value, list) and any(not isinstance(item, str) for item in one.value))
        for one in written
    )


def _refuse_by_table(table: _Table, key: str, values: Mapping[object, object], path: str) -> None:
    """Refuse what the name of a table within `table`, or its own, makes of the keys in it."""
    if key in TABLES:
        _refuse_further_keys(table, values, path)
    if _is_of_dates(key):
        _refuse_later(table, values, path)


def _refuse_further_keys(table: _Table, values: Mapping[object, object], path: str) -> None:
    """Refuse what stands in a table of further keys, where other systems' flags and synonyms count, too."""
    for name, value in values.items():
        key = normalised(str(name))
        if key in OWN:
            meant: Suspect | None = OWN[key]._replace(is_strict=key == "withdrawn")
        elif key in FLAGS:
            meant = Suspect("flag", key)
        else:
            meant = None if key in KNOWN else suspect(key)
        if meant and holds_back(meant, value, table.zone, table.since):
            raise refused(Written(table.written.key, value, f"{path}.{name}"), meant)


def _inside(value: object, path: str, is_of_story: bool, *, is_listed: bool) -> Iterator[_Part]:
    """Every key below a value. Of a list whose table is not the story's, the items are other things."""
    if isinstance(value, dict):
        for name, one in value.items():
            here = f"{path}.{name}"
            yield _Part(str(name), one, here, is_of_story, is_listed)
            if isinstance(one, dict | list):
                yield from _inside(one, here, is_of_story, is_listed=is_listed)
    elif isinstance(value, list):
        for number, one in enumerate(value, start=1):
            if isinstance(one, dict | list):
                yield from _inside(one, f"{path}[{number}]", is_of_story, is_listed=True)


def _refuse_part(table: _Table, part: _Part) -> None:
    key = normalised(part.name)
    if isinstance(part.value, dict) and not part.is_listed:
        if _is_nearly_build(key):
            _refuse_build(Written(table.written.key, part.value, part.path))
        _refuse_by_table(table, key, part.value, part.path)
    meant = _misplaced(key, part.is_of_story, part.is_listed)
    if meant and meant.says == "held" and normalised(meant.nearest) in table.fields:
        return  # the story's own says no: a YAML anchor's table has what others are to have
    if meant and holds_back(meant, part.value, table.zone, table.since):
        raise table.misplaced(part.name, part.value, part.path, meant.nearest)


@lru_cache(maxsize=4_096)
def _misplaced(key: str, is_of_story: bool, is_listed: bool) -> Suspect | None:
    """What a key in a table is taken for: a restricting one, spelt right or nearly."""
    meant = OWN.get(key) or suspect(key)
    if meant is None or meant.nearest not in (_MISPLACED if is_of_story else _ANYWHERE):
        return None
    # Each author of an export has a status of their own.
    if is_listed and (meant.says == "status" or not (is_of_story or meant.nearest == "embargo")):
        return None
    is_near = OSA.distance(key, meant.nearest) <= 1
    is_other = key in SYNONYMS and not is_near and meant.says not in {"begins", "ends"}
    if key not in OWN and not is_near and (is_other or not meant.is_strict):
        return None
    is_sure = meant.nearest == "embargo" and not is_listed
    return meant._replace(is_strict=is_sure or (is_of_story and key == "withdrawn"))


@lru_cache(maxsize=4_096)
def _is_of_dates(key: str) -> bool:
    """Whether a table of that name says when the story is published."""
    meant = suspect(key) if key not in KNOWN and key not in FLAGS else None
    return key in _OF_DATES or (meant is not None and meant.says in {"begins", "released"})


def _refuse_later(table: _Table, dated: Mapping[object, object], path: str) -> None:
    for name, value in dated.items():
        if is_later(value, table.zone, table.since):
            raise table.misplaced(str(name), value, f"{path}.{name}", "embargo")


# -- Hugo's build options ---------------------------------------------------------------------------------

_NEARLY_LIST_OR_RENDER: Final = {"list": 1, "render": 2}
_BUILD_WORDS: Final = frozenset({"never", "local", "link"})


def _is_nearly_build(key: str) -> bool:
    return abs(len(key) - 5) <= 1 and OSA.distance(key, "build", score_cutoff=1) <= 1


def _refuse_build(written: Written) -> None:
    """Refuse Hugo's build options if a slip keeps them from being read: `bulid: {list: never}`."""
    for table in written.value if isinstance(written.value, list) else [written.value]:
        for name, value in table.items() if isinstance(table, dict) else ():
            is_off = as_flag(value) is False or (isinstance(value, str) and value.lower() in _BUILD_WORDS)
            key = normalised(str(name))
            if is_off and any(OSA.distance(key, one) <= most for one, most in _NEARLY_LIST_OR_RENDER.items()):
                raise refused(Written(written.key, value, f"{written.part}.{name}"), Suspect("flag", "build"))


# -- pictures and files -----------------------------------------------------------------------------------


def refuse_in_part(parts: Iterable[tuple[str, Written]], nearest: str) -> None:
    """Raise FieldError for an unknown part of a picture or file that may be meant to keep it out of feeds.

    `nearest` is the key that says so of it, for the error. A date holds back, past or to come.
    """
    for key, part in _flat(parts):
        meant = _OF_PART.get(key) or suspect(key)
        if meant is None and OSA.distance(key, "maysyndicate", score_cutoff=2) <= 2:
            meant = Suspect("level", "may_syndicate", True)
        if meant and _is_kept_out(meant, key, part):
            raise refused(part, meant._replace(nearest=nearest))


def _flat(parts: Iterable[tuple[str, Written]]) -> Iterator[tuple[str, Written]]:
    for key, part in parts:
        yield key, part
        for inner in _inside(part.value, part.part, True, is_listed=False):
            yield normalised(inner.name), Written(part.key, inner.value, inner.path)


def _is_kept_out(meant: Suspect, key: str, part: Written) -> bool:
    if meant.nearest in _OF_IMAGES:
        if (says := as_flag(part.value)) is not None:
            return says is (meant.says == "held")
        return meant.is_strict
    if meant.nearest not in _LIKE_STORIES or not (key in OWN or meant.is_strict or meant.nearest == "access"):
        return False
    is_sure = meant.is_strict and meant.says != "status"
    return holds_back(meant._replace(is_strict=is_sure), part.value, ZoneInfo("UTC"))


_OF_IMAGES: Final = frozenset({"may_syndicate", "syndication", "syndicate"})
_LIKE_STORIES: Final = frozenset(
    {"embargo", "expires", "expiryDate", "unpublish_date", "access", "withdrawn", "status", "draft"}
)
"""What nobody says of a picture for another purpose; themes have `hidden: true` for its place on the page."""
_OF_PART: Final = {
    **dict.fromkeys(
        ("restricted", "isrestricted", "private", "internal", "internalonly", "confidential"),
        Suspect("held", "may_syndicate"),
    ),
    "maysyndicate": Suspect("level", "may_syndicate", True),
    **{
        key: OWN[key]
        for key in ("embargo", "expires", "expirydate", "access", "withdrawn", "status", "draft")
    },
}
