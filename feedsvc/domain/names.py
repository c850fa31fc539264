"""Find names of sections, tags, authors and agencies in the configuration that no story has.

Pure: no I/O and no configuration object. A name is a key: `sections/world`, `sources/reuters`; a feed that an
editor defined is `custom/top`.
"""

import difflib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

_NEAR: Final = 0.75
"""How similar two names must be (difflib's ratio) for one to count as a misspelling of the other."""
_WHAT: Final = {
    "sections": "section",
    "tags": "tag",
    "authors": "author",
    "sources": "source",
    "custom": "feed",
}


class Named(NamedTuple):
    """One use of a name: its key or a pattern of keys, the setting, and the setting's file and line.

    If the setting decides about rights (`is_right`), what it names must exist; another one, such as the title
    of a feed, may name a section that is yet to come.
    """

    key: str
    setting: str
    file: str
    line: int
    is_right: bool


class Unknown(NamedTuple):
    """A use of a name that no story has, and the most similar existing name; "" if none is similar."""

    named: Named
    nearest: str

    @property
    def reason(self) -> str:
        """What is wrong and what to write instead, for people."""
        kind, _, name = self.named.key.partition("/")
        effect = ", so that it has no effect" if self.named.is_right else ""
        remedy = f"did you mean {self.nearest!r}?" if self.nearest else "mend the name, or take it out"
        subject = f"no {_WHAT[kind]} matches" if "*" in name else f"no story has the {_WHAT[kind]}"
        return f"{self.named.setting}: {subject} {name!r}{effect}; {remedy}"

    def __str__(self) -> str:
        return f"{self.named.file}:{self.named.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a configuration uses; `tables` are the keys of those that have a table of their own."""

    used: tuple[Named, ...] = ()
    tables: frozenset[str] = frozenset()

    @property
    def custom(self) -> frozenset[str]:
        """The keys of the feeds that editors defined: a table is enough for them to exist."""
        return frozenset(key for key in self.tables if key.startswith("custom/"))


def matches(key: str, known: Set[str]) -> bool:
    """Whether a key is known, or is a pattern that matches a known key."""
    return key in known or ("*" in key and any(fnmatchcase(one, key) for one in known))


def unknown(used: Iterable[Named], known: Set[str], names: Names) -> list[Unknown]:
    """The uses of names that do not exist, in their order. `known` are the names that stories have.

    A use that decides about no rights is left out unless a similar name exists: it may be a section to come.
    """
    known = known | names.custom
    ours, tables = _by_kind(known), _by_kind(names.tables - known)
    found: list[Unknown] = []
    for one in used:
        if not matches(one.key, known):
            kind, _, name = one.key.partition("/")
            name = name.strip("*/")
            # Names of tables come second: the table's own name may be misspelt.
            near = _near(name, ours.get(kind, ())) or _near(name, tables.get(kind, ()))
            if near or one.is_right:
                found.append(Unknown(one, near[0] if near else ""))
    return found


def _by_kind(keys: Iterable[str]) -> dict[str, list[str]]:
    """`sections/world`, … → {`sections`: [`world`, …]}, in order."""
    kinds: dict[str, list[str]] = {}
    for key in sorted(keys):
        kind, _, name = key.partition("/")
        kinds.setdefault(kind, []).append(name)
    return kinds


def _near(name: str, others: Sequence[str]) -> list[str]:
    """The nearest of the others; of a section within another, its last part will do: `Europe`."""
    near = difflib.get_close_matches(name, [other for other in others if other != name], 1, cutoff=_NEAR)
    if near or "/" in name:
        return near
    within = {other.rpartition("/")[2]: other for other in reversed(others) if "/" in other}
    return [within[one] for one in difflib.get_close_matches(name.casefold(), within, 1, cutoff=_NEAR)]
