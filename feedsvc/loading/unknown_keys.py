"""Front matter keys that feedsvc does not know: which may hold a story back, and which are misspelt.

Pure. A key is suspected if its edit distance to a restricting key is small, if it contains one
(`embargo_until`), or if newsrooms and other systems use it to restrict stories. Whether it holds the story
back depends on its value: a flag, a date or a word in that sense does; `release: true` or `members: 95` does
not. Must not know how front matter is parsed.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import normalize
from zoneinfo import ZoneInfo

from rapidfuzz.distance import OSA

from feedsvc.loading.errors import FieldError
from feedsvc.loading.flags import FLAGS
from feedsvc.loading.keys import KNOWN
from feedsvc.loading.rules import UnknownKeys
from feedsvc.loading.suspicion import holds_back
from feedsvc.loading.values import Written, as_flag, normalised, shown
from feedsvc.loading.vocabulary import STEMS, SYNONYMS, UNLIKE_OTHERS, UNLIKE_RESTRICTING, Suspect

OWN: Final[dict[str, Suspect]] = {
    "embargo": Suspect("begins", "embargo", True),
    "publishdate": Suspect("begins", "publishDate", True),
    "published": Suspect("released", "published", True),
    "expires": Suspect("ends", "expires", True),
    "expirydate": Suspect("ends", "expiryDate", True),
    "unpublishdate": Suspect("ends", "unpublish_date", True),
    "status": Suspect("status", "status", True),
    "draft": Suspect("held", "draft", True),
    "withdrawn": Suspect("held", "withdrawn", True),
    "access": Suspect("access", "access", True),
    "syndication": Suspect("level", "syndication", True),
    "syndicate": Suspect("level", "syndicate", True),
    "visibility": Suspect("access", "visibility", True),
    "unlisted": Suspect("held", "unlisted", True),
    "hidden": Suspect("held", "hidden", True),
    "emailonly": Suspect("held", "email_only"),
    "membersonly": Suspect("held", "access"),
    "password": Suspect("held", "password", True),
}
"""Restricting keys that feedsvc knows → what a misspelling of the key is treated as."""


_AFFIXES: Final = (
    *("is", "post", "article", "story", "page", "item"),
    *("doc", "content", "web", "x", "my", "custom"),
    *("press", "news", "media", "under", "has"),
)
"""Words that people put before or after a key: `storyStatus`, `x-embargo`."""

_ANY: Final = {
    **{name: Suspect("flag", name) for name in FLAGS if len(name) >= 7},
    **SYNONYMS,
    **OWN,
}
_SHORTEST: Final = 5  # letters; too many words differ from a shorter key by one letter


@lru_cache(maxsize=4_096)  # very many stories share few keys
def suspect(key: str) -> Suspect | None:
    """What an unknown key (normalised) may have been meant as; None if it cannot hold a story back."""
    bare = "".join(char for char in normalize("NFKC", key).lower() if char.isalnum())
    if bare in SYNONYMS or bare in OWN:
        return _ANY[bare]
    if len(bare) < _SHORTEST:
        return None
    if bare in UNLIKE_RESTRICTING:
        meant = _by_distance(bare)
        return meant and meant._replace(says="word", is_strict=False)
    return _by_stem(bare) or _by_affix(bare) or _by_distance(bare)


def may_restrict(key: str) -> bool:
    """Whether a normalised key, known or not, may hold a story back."""
    return key in OWN or key in FLAGS or key in _NESTED or (key not in _READ and suspect(key) is not None)


def _by_stem(bare: str) -> Suspect | None:
    for stem, meant in STEMS.items():
        before, found, _ = bare.partition(stem)
        if found:
            # `arms_embargo` is not the newsroom's embargo: after such a word, the key holds a story back only
            # if its value is a date, or a word such as a status.
            return meant if not before or before in _AFFIXES else meant._replace(says="word", is_strict=False)
    return None


def _by_affix(bare: str) -> Suspect | None:
    for affix in _AFFIXES:
        for rest in (bare.removeprefix(affix), bare.removesuffix(affix)):
            if rest != bare and rest in OWN:
                return OWN[rest]._replace(is_strict=False)
    return None


def _by_distance(bare: str) -> Suspect | None:
    found = [
        (distance, name not in OWN, name)
        for name in _ANY
        if len(name) >= _SHORTEST
        and (distance := OSA.distance(bare, name, score_cutoff=_most(name))) <= _most(name)
    ]
    if not found:
        return None
    distance, is_other, name = min(found)
    meant = _ANY[name]
    if distance > 1 and (is_other or len(name) < _LONG):
        return meant._replace(says="word", is_strict=False)
    # A key that resembles a synonym is as likely a different word.
    return meant._replace(is_strict=meant.is_strict and not is_other)


_LONG: Final = 7
"""Letters that a restricting key needs for two wrong letters to be accepted whatever the value.

For a shorter one, the value must be a date or a word in that sense.
"""


def _most(name: str) -> int:
    """How many letters of a key like `name` may be wrong, missing, added or swapped."""
    return 2 if (name in OWN and len(name) >= _LONG - 1) or len(name) >= _LONG + 2 else 1


_READ: Final = KNOWN | FLAGS.keys()
"""The keys that feedsvc reads, which are never reported as unknown."""
_NESTED: Final = frozenset(
    {
        *("params", "extra", "publishing", "publication", "workflow", "metadata", "frontmatter", "meta"),
        *("attributes", "fields", "settings", "acf", "customfields", "ext", "system", "flags", "acl"),
        *("additionalproperties", "contentrestrictions"),
    }
)
"""Names of tables of further keys, in front matter of generators and in exports of other systems."""


class _Unknown(NamedTuple):
    """The unknown keys of a story: the suspected ones, the tables of further keys, and all of them.

    `nearest` pairs each with the known key that it is similar to, or None.
    """

    suspects: tuple[tuple[str, Suspect], ...]
    tables: tuple[str, ...]
    nearest: tuple[tuple[str, str | None], ...]


@lru_cache(maxsize=4_096)  # the stories of a site mostly have the same keys, in the same order
def _unknown(keys: tuple[str, ...]) -> _Unknown:
    unknown = [key for key in keys if key not in _READ]
    return _Unknown(
        tuple((key, meant) for key in unknown if (meant := suspect(key))),
        tuple(key for key in unknown if key in _NESTED),
        tuple((key, misspelt(key)) for key in unknown),
    )


def refuse(fields: Mapping[str, Written], zone: ZoneInfo, since: datetime) -> None:
    """Raise FieldError for an unknown key that may be meant to hold the story back.

    `fields` are those of a story that nothing else holds back, by their normalised keys; `zone` applies to
    dates without a zone; `since` (aware UTC) is the time from which the story is published.
    """
    unknown = _unknown(tuple(fields))
    for key, meant in unknown.suspects:
        if holds_back(meant, fields[key].value, zone, since):
            raise _refused(fields[key], meant)
    for key in unknown.tables:
        if isinstance(fields[key].value, dict):
            _refuse_nested(fields[key], zone, since)


def _refuse_nested(table: Written, zone: ZoneInfo, since: datetime) -> None:
    assert isinstance(table.value, dict)
    for name, value in table.value.items():
        key = normalised(str(name))
        if key in OWN:
            meant: Suspect | None = OWN[key]._replace(is_strict=key == "withdrawn")
        elif key in FLAGS:
            meant = Suspect("flag", key)
        else:
            meant = None if key in KNOWN else suspect(key)
        if meant and holds_back(meant, value, zone, since):
            raise _refused(Written(table.key, value, f".{name}"), meant)


def refuse_in_part(parts: Iterable[tuple[str, Written]], nearest: str) -> None:
    """Raise FieldError for an unknown part of a picture or file that may be meant to keep it out of feeds.

    `parts` are the unknown parts with their normalised names; `nearest` is the key to write instead, for the
    error. Any date counts, past or future.
    """
    for key, part in parts:
        meant = _OF_PART.get(key) or suspect(key)
        if meant is None and OSA.distance(key, "maysyndicate", score_cutoff=2) <= 2:
            meant = Suspect("level", "may_syndicate", True)
        if meant and _is_kept_out(meant, key, part):
            raise _refused(part, meant._replace(nearest=nearest))


def _is_kept_out(meant: Suspect, key: str, part: Written) -> bool:
    if key in _DATES_AND_WORDS:
        return holds_back(meant, part.value, ZoneInfo("UTC"))
    if meant.nearest not in _OF_IMAGES:
        return False
    if (says := as_flag(part.value)) is not None:
        return says is (meant.says == "held")
    return meant.is_strict


_OF_IMAGES: Final = frozenset({"may_syndicate", "syndication", "syndicate"})
_DATES_AND_WORDS: Final = frozenset({"embargo", "expires", "expirydate", "access", "withdrawn"})
"""Restricting keys of stories that have no other meaning for a picture."""
_OF_PART: Final = {
    **dict.fromkeys(
        ("restricted", "isrestricted", "private", "internal", "internalonly", "confidential", "embargoed"),
        Suspect("held", "may_syndicate"),
    ),
    "maysyndicate": Suspect("level", "may_syndicate", True),
    **{key: OWN[key] for key in _DATES_AND_WORDS},
}


def _refused(written: Written, meant: Suspect) -> FieldError:
    seen = f"{written.key}{written.part}: {shown(written.value)}"
    told = f"{seen} may be meant to hold the story back, and feedsvc does not know that key"
    return FieldError(
        written.key, f"{told}; write {meant.nearest}: … if it is, else another name", "key-unknown"
    )


def findings(fields: Mapping[str, Written], which: UnknownKeys) -> Iterator[tuple[str, str]]:
    """The unknown keys of a loaded story to report: each as its author wrote it, with what to do about it.

    `which` selects them: those similar to a known key, all, or none.
    """
    if which == "none":
        return
    for key, nearest in _unknown(tuple(fields)).nearest:
        if nearest or which == "all":
            written = fields[key].key
            wanted = f"did you mean {nearest}?" if nearest else "it is left alone"
            yield written, f"{written}: is not a key that feedsvc knows; {wanted}"


@lru_cache(maxsize=4_096)
def misspelt(key: str) -> str | None:
    """The known key that an unknown one (normalised) is probably a misspelling of; None if there is none."""
    if key in SYNONYMS or key in UNLIKE_OTHERS or key in UNLIKE_RESTRICTING or len(key) < _SHORTEST:
        return None
    found = [
        (distance, name)
        for name in _READ
        if len(name) >= _SHORTEST
        and (distance := OSA.distance(key, name, score_cutoff=_near(name))) <= _near(name)
    ]
    return min(found)[1] if found else None


def _near(name: str) -> int:
    return 2 if len(name) > 8 else 1
