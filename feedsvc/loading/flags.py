"""Front matter flags of other systems which say that a story is unpublished, unlisted, or for members only.

Pure: what the values ask for under the keys of Hugo, Jekyll, Eleventy, Zola, Hexo, Nikola, Docusaurus, Ghost,
WordPress and their plug-ins, as their documentation has them (docs/stories.md lists them). Keys of feeds,
lists, members and passwords are in `flag_keys`; feedsvc's own are in `availability`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from rapidfuzz.distance import OSA

from feedsvc.loading import flag_keys
from feedsvc.loading.generators import Generator
from feedsvc.loading.values import Parts, Written, as_flag, items, normalised
from feedsvc.loading.vocabulary import NEVER, audience_of

Asks = Literal["draft", "members", "internal"]
"""What a flag asks for: not to publish, members only, or nobody without a password."""

Flag = Callable[[Written], Asks | None]
"""Value of a key → what it asks for, or None; raises FieldError if the value cannot be interpreted."""

_NO: Final = frozenset(
    {"never", "none", "hide", "hidden", "exclude", "excluded", "disable", "disabled", "skip", "skipped"}
    | {"omit", "omitted", "ignore", "ignored", "private", "unlisted"}
)
_HIDING: Final = frozenset(
    {"hide", "hidden", "exclude", "excluded", "disable", "disabled", "skip", "ignore", "omit", "private"}
)
_SHOWING: Final = frozenset(
    {"show", "include", "included", "enable", "enabled", "publish", "published", "visible", "list", "listed"}
)
"""Parts of a mapping under `feed`, or a key like it."""
_REQUIRED: Final = frozenset({"only", "required", "needed", "necessary", "mandatory", "compulsory"})
_FOR_ALL: Final = frozenset({"clear", "white", "unrestricted", "unclassified", "low"})
"""https://www.first.org/tlp/ and what classifications call the lowest of their levels."""
_LIKE_A_DATE: Final = re.compile(r"\d{4}[-/.]\d")


def _when(said: bool, asks: Asks) -> Flag:
    """A flag that asks for `asks` if its value is `said`; raises FieldError if it is not true or false."""

    def asked(written: Written) -> Asks | None:
        found = as_flag(written.value)
        if found is None:
            raise written.unfit("is not true or false; write one of them", "flag-invalid")
        return asks if found is said else None

    return asked


def _when_off(asks: Asks) -> Flag:
    """A flag that asks for `asks` if its value says no; any other value is ignored.

    Themes and plug-ins keep other settings under such keys.
    """

    def asked(written: Written) -> Asks | None:
        if isinstance(written.value, dict):
            return asks if any(map(_is_off, written.value.items())) else None
        word = _word(written)
        says_no = as_flag(written.value) is False or word in _NO or OSA.distance(word, "false") == 1
        return asks if says_no else None

    return asked


def _is_off(part: tuple[object, object]) -> bool:
    name, said = normalised(str(part[0])), as_flag(part[1])
    return (name in _HIDING and said is True) or (name in _SHOWING and said is False)


def _when_members(written: Written) -> Asks | None:
    """Asks for members if the value says yes or names an audience; a number is not an audience."""
    said, word = as_flag(written.value), _word(written)
    if said is not None or not word or word[:1].isdigit():
        return "members" if said else None
    return None if word in NEVER or audience_of(word) == "public" else "members"


def _when_required(*, yes: bool) -> Flag:
    """Asks for members if a word says so, or, with `yes`, that flag; names and numbers are something else."""

    def asked(written: Written) -> Asks | None:
        word = _word(written)
        if (
            word in _REQUIRED
            or audience_of(word) in {"members", "internal"}
            or (yes and as_flag(written.value))
        ):
            return "members"
        if _LIKE_A_DATE.match(word):
            raise written.unfit("does not say for whom; write true or false", "flag-invalid")
        return None

    return asked


def _unless_empty(asks: Asks) -> Flag:
    return lambda written: asks if as_flag(written.value) is not False else None


def _word(written: Written) -> str:
    return written.value.strip().lower() if isinstance(written.value, str) else ""


def _build(written: Written) -> Asks | None:
    """Hugo's build options, by which a page is not listed or not rendered.

    https://gohugo.io/content-management/build-options/
    """
    if not isinstance(written.value, dict):
        return "draft" if as_flag(written.value) is False or _word(written) == "never" else None
    parts = Parts(written)
    for name, wanted in (("list", "always, local or never"), ("render", "always, link or never")):
        part = parts.first(name)
        if part is None:
            continue
        if as_flag(part.value) is False or _word(part) in {"never", "local", "link"}:
            return "draft"
        if as_flag(part.value) is not True and _word(part) != "always":
            raise part.unfit(f"is no build option; write {wanted}", "flag-invalid")
    return None


def _visibility(written: Written) -> Asks | None:
    """`visibility` of Ghost and WordPress: https://ghost.org/docs/content-api/#posts

    Of several, or of a mapping's parts, the one that lets the fewest have the story.
    """
    if isinstance(written.value, dict):
        return _fewest([_visible_to(Written(written.key, *part)) for part in _named(written)])
    return _fewest([_seen_by(one) for one in items(written)])


def _seen_by(written: Written) -> Asks | None:
    if as_flag(written.value) is not None:
        return None if as_flag(written.value) else "draft"
    if not isinstance(written.value, str) or written.value.strip()[:1].isdigit():
        return None  # a number is a distance, as in a weather report
    found = audience_of(written.value)
    if found is None:
        raise written.unfit("is nobody's visibility; write public, members or private", "access-unknown")
    return None if found == "public" else found


def _named(table: Written) -> list[tuple[object, str]]:
    assert isinstance(table.value, dict)
    return [(value, f".{name}") for name, value in table.value.items()]


def _visible_to(part: Written) -> Asks | None:
    """What a part of a mapping says: `public: false`, `members: true`, `feed: false`, `level: paid`."""
    name, said = part.part.removeprefix("."), as_flag(part.value)
    if flag := FLAGS.get(normalised(name)):
        return flag(part)
    group = audience_of(name)
    if said is not None:
        is_for_fewer = said is (group != "public")
        return ("internal" if group == "public" else group) if group and is_for_fewer else None
    found = audience_of(_word(part))
    return None if found == "public" else found


def _fewest(asked: list[Asks | None]) -> Asks | None:
    order: tuple[Asks, ...] = ("draft", "internal", "members")
    return next((one for one in order if one in asked), None)


def _roles(written: Written) -> Asks | None:
    """Who may read it, as plug-ins have it; other words are of something else: a play's roles."""
    found = [audience_of(_word(one)) for one in items(written)]
    return "members" if found and all(one in {"members", "internal"} for one in found) else None


def _confidentiality(written: Written) -> Asks | None:
    """A level of secrecy, such as the Traffic Light Protocol's `TLP:AMBER`."""
    said, word = as_flag(written.value), _word(written).removeprefix("tlp:").strip()
    if said is not None:
        return "internal" if said else None
    if not word or word[:1].isdigit() or word in NEVER or word in _FOR_ALL or audience_of(word) == "public":
        return None
    return "internal"


def _revision(written: Written) -> Asks | None:
    """WordPress's: https://developer.wordpress.org/plugins/post-types/ has the types that come with it."""
    return "draft" if _word(written) == "revision" else None


def _permalink(written: Written) -> Asks | None:
    """Eleventy's `permalink: false`: https://www.11ty.dev/docs/permalinks/#skip-writing-to-the-file-system"""
    said = _part(written, "build") if isinstance(written.value, dict) else written.value
    return "draft" if as_flag(said) is False else None


def _part(table: Written, name: str) -> object:
    return table.value.get(name) if isinstance(table.value, dict) else None


def _collections(written: Written) -> Asks | None:
    """Eleventy's `eleventyExcludeFromCollections`: true, or a list of the collections to exclude it from."""
    if isinstance(written.value, list):
        return "draft"
    return _when(True, "draft")(written)


def _computed(written: Written) -> Asks | None:
    """Eleventy's data that goes over a story's own: https://www.11ty.dev/docs/data-computed/"""
    if not isinstance(written.value, dict):
        return None
    own: dict[str, Flag] = {"draft": _when(True, "draft"), "published": _when_off("draft")}
    asked: list[Asks | None] = []
    for value, part in _named(written):
        key = normalised(part.removeprefix("."))
        if key != "eleventycomputed" and (flag := FLAGS.get(key) or own.get(key)):
            asked.append(flag(Written(written.key, value, part)))
    return _fewest(asked)


_NAMED: Final[Mapping[str, Flag]] = MappingProxyType(
    {
        **dict.fromkeys(flag_keys.ACCOUNT, _when_required(yes=False)),
        **dict.fromkeys(flag_keys.PASSWORDS, _unless_empty("internal")),
        **dict.fromkeys(("visibility", "visibilities"), _visibility),
        **dict.fromkeys(("confidentiality", "confidentialitylevel", "tlp"), _confidentiality),
        **dict.fromkeys(("type", "posttype"), _revision),
        "permalink": _permalink,
        "build": _build,
        "roles": _roles,
        "eleventyexcludefromcollections": _collections,
        "eleventycomputed": _computed,
    }
)
"""Normalised key → its flag. Hugo's older `_build` is normalised to `build`."""

_PATTERNS: Final[tuple[tuple[re.Pattern[str], Flag], ...]] = (
    (flag_keys.OUT_IF_TRUE, _when(True, "draft")),
    (flag_keys.OUT_IF_FALSE, _when_off("draft")),
    (flag_keys.INTERNAL_IF_TRUE, _when(True, "internal")),
    (flag_keys.MEMBERS, _when_members),
    (flag_keys.MEMBERS_IF_REQUIRED, _when_required(yes=True)),
    (flag_keys.FREE, _when_off("members")),
)


@lru_cache(maxsize=4_096)  # few keys stand in very many stories
def _flag_of(key: str) -> Flag | None:
    if found := _NAMED.get(key):
        return found
    return next((flag for pattern, flag in _PATTERNS if pattern.fullmatch(key)), None)


class _Flags(Mapping[str, Flag]):
    """Every flag by its normalised key; iteration gives the usual ones alone, to find near keys by."""

    def __getitem__(self, key: str) -> Flag:
        if (found := _flag_of(key)) is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and _flag_of(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(_USUAL)

    def __len__(self) -> int:
        return len(_USUAL)


_USUAL: Final = tuple(sorted(_NAMED.keys() | flag_keys.USUAL))
FLAGS: Final[Mapping[str, Flag]] = _Flags()

_MEANS_ELSE: Final[Mapping[str, frozenset[Generator]]] = MappingProxyType(
    # jekyll-paginate leaves such a post out of its lists, but jekyll-feed still includes it in feeds.
    {"hidden": frozenset({"jekyll"})}
)


def is_honoured(key: str, generator: Generator | None, name: str) -> bool:
    """Whether a flag of that key holds a story back where stories are that generator's.

    `name` is that of the story's file.
    """
    # https://gohugo.io/content-management/page-bundles/#headless-bundle
    if key == "headless" and generator == "hugo" and not name.lower().startswith("index."):
        return False
    return key in FLAGS and generator not in _MEANS_ELSE.get(key, ())
