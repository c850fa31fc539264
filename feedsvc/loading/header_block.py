"""Front matter without an opening line of dashes: Pelican's `Title: …` lines, and YAML as Hexo reads it.

Pure. Knows where such front matter ends, and refuses keys below that, or below any other, which may hold the
story back.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import StringIO
from itertools import takewhile
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from feedsvc.domain.constraints import LONGEST_LABEL
from feedsvc.loading.errors import LONGEST_FRONT_MATTER, FrontMatterError, too_long
from feedsvc.loading.flags import FLAGS
from feedsvc.loading.suspicion import holds_back
from feedsvc.loading.unknown_keys import OWN, suspect
from feedsvc.loading.values import normalised
from feedsvc.loading.vocabulary import Suspect

# Python-Markdown's syntax: at most three spaces before a key, four spaces or a tab before a continuation.
_HEADER: Final = re.compile(r" {0,3}([A-Za-z][\w-]*)[ \t]*:[ \t]*(.*)")
_END: Final = re.compile(r"(?:-{3,}|\.{3})[ \t]*\n?\Z")
_DASHES: Final = r"(?=-{3,}[ \t]*(?:\n|\Z))"
_KEY: Final = r"\s*^[^\W\d_][\w-]*[ \t]*:.*\n"
_FILLED: Final = re.compile(rf"{_KEY}(?:(?![ \t]*\n).*\n)*?{_DASHES}", re.MULTILINE)
_ANY: Final = re.compile(rf"{_KEY}(?:.*\n)*?{_DASHES}", re.MULTILINE)
_PAIR: Final = re.compile(r"""[ \t]{0,3}["']?([^\W\d_][\w .-]{0,40}?)["']?[ \t]*[:=][ \t]*(.*)""")
_FENCE: Final = re.compile(r"\s*^(?:---|\+\+\+)[ \t]*\n", re.MULTILINE)
_LIKE_YAML: Final = re.compile(r"[ \t]*(?:#|-(?:\s|\Z)|\Z)|[ \t]+\S")
_UTC: Final = ZoneInfo("UTC")
_MOST_LINES: Final = 200
_WANTED: Final = "write a line '---' above all keys and one below them"


class Header(NamedTuple):
    """The keys and values of a header block, and the offset in the text at which the body begins."""

    pairs: dict[str, object]
    end: int


def unfenced_yaml(story: str, *, may_have_gaps: bool) -> tuple[str, int] | None:
    """Text that may be YAML, closed by a line of dashes, and the offset of the body; None if there is none.

    Hexo allows this: https://github.com/hexojs/hexo-front-matter. `may_have_gaps` allows empty lines in it,
    which end a header of Pelican's.
    """
    found = (_ANY if may_have_gaps else _FILLED).match(story)
    if found is None:
        return None
    after = story.find("\n", found.end())
    return found[0], len(story) if after < 0 else after + 1


def keys_above_dashes(text: str) -> list[str]:
    """The lines above the first line of dashes or dots, if all are keys, lists or comments; else []."""
    above: list[str] = []
    for line in StringIO(text):
        if _END.match(line):
            return above
        if len(above) >= _MOST_LINES or not _is_like_yaml(line.rstrip("\n")):
            return []
        above.append(line.rstrip("\n"))
    return []


def header_block(story: str) -> Header | None:
    """Pelican's `Title: …` lines, as Python-Markdown's meta-data extension reads them, up to a blank line.

    Returns None if the first line is not one. Raises FrontMatterError for a key that is written twice, for a
    header that is too long, and for a key that may hold the story back but is below the end of the header.
    """
    lines: dict[str, list[str]] = {}
    key, end = "", 0
    for number, line in enumerate(StringIO(story), start=1):
        header = _HEADER.match(line)
        if not line.strip() or _END.match(line):
            end += len(line)
            _refuse_below(keys_above_dashes(story[end:]) if lines else [], number + 1, is_strict=False)
            break
        if key and line.startswith((" ", "\t")) and (header is None or header[1] in lines):
            lines[key].append(line.strip())
        elif header:
            key = header[1]
            if key in lines and lines[key] != [header[2].strip()]:
                raise FrontMatterError(number, f"{key}: is written twice; keep one", "duplicate-key")
            lines[key] = [header[2].strip()]
        else:
            _refuse_colonless(line, number)
            _refuse_below(list(_cut_off(story[end:])) if lines else [], number, is_strict=_is_like_yaml(line))
            break
        end += len(line)
        if end > LONGEST_FRONT_MATTER:
            raise too_long(1)
    return Header({key: "\n".join(parts) for key, parts in lines.items()}, end) if lines else None


def _refuse_colonless(line: str, number: int) -> None:
    """Refuse a first line of text that looks like a key without its colon: `Embargo 2027-01-01`."""
    key, _, value = line.strip().partition(" ")
    if len(key) > LONGEST_LABEL:
        return
    meant = OWN.get(normalised(key)) or suspect(normalised(key))
    if meant and len(value.split()) <= 2 and holds_back(meant._replace(is_strict=False), value.strip(), _UTC):
        told = f"{line.strip()[:60]!r} lacks its colon; write '{meant.nearest}: {value.strip()}'"
        raise FrontMatterError(number, told, "key-unknown")


def refuse_second_block(body: str, first: int, since: datetime) -> None:
    """Refuse keys below front matter that is whole, if they may hold the story back.

    They stand in a second block, or on the very next line; below an empty one such lines are text. `body`
    begins at line `first` of the file; a date before `since` (aware UTC) holds nothing back. Raises
    FrontMatterError.
    """
    fence = _FENCE.match(body)
    if not fence and not _PAIR.match(body):
        return
    begin = fence.end() if fence else 0
    rest = body[begin : begin + LONGEST_FRONT_MATTER]
    whole = keys_above_dashes(rest.replace("\n+++", "\n---"))
    lines = whole or list(takewhile(_PAIR.match, rest.split("\n", _MOST_LINES)[:_MOST_LINES]))
    _refuse_below(lines, first + body.count("\n", 0, begin), is_strict=bool(whole), since=since)


def _refuse_below(
    below: Sequence[str], first: int, *, is_strict: bool, since: datetime | None = None
) -> None:
    """Refuse keys that may hold the story back and stand below the end of the header, from line `first` on.

    With `is_strict` what stands there is hardly anything but keys; a date before `since` holds nothing back.
    """
    for number, line in enumerate(below, start=first):
        if (found := _PAIR.match(line)) and (meant := _meant(normalised(found[1]))):
            value = (found[2] or "").split(" #")[0].strip().strip("\"'").strip()
            is_sure = meant.is_strict and is_strict and (since is None or meant.says != "released")
            if value and holds_back(meant._replace(is_strict=is_sure), value, _UTC, since):
                told = f"{line.strip()[:60]!r} stands below the end of the front matter; {_WANTED}"
                raise FrontMatterError(number, told, "key-unknown")


def _meant(key: str) -> Suspect | None:
    return OWN.get(key) or (Suspect("flag", key) if key in FLAGS else suspect(key))


def _cut_off(rest: str) -> Iterator[str]:
    for line in StringIO(rest):
        if not line.strip() or _END.match(line):
            return
        yield line.rstrip("\n")


def _is_like_yaml(line: str) -> bool:
    return bool(_LIKE_YAML.match(line) or _PAIR.match(line))
