"""The plain text of a saved news page → its parts → a Markdown story.

Pure: knows how such pages are laid out, but neither files nor the store.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import yaml

from feedsvc.domain.constraints import MOST_ITEMS
from feedsvc.domain.slugs import section_path, slug
from feedsvc.domain.xml_text import without_illegal
from feedsvc.loading.plain import escaped
from feedsvc.util.errors import PageRefused

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATE: Final = re.compile(
    rf"(?:(?P<month>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"|(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?P<month2>{_MONTH})\.?),?\s+(?P<year>\d{{4}})\.?$",
    re.IGNORECASE,
)
_WEEKDAY: Final = re.compile(r"(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s*", re.IGNORECASE)
_UNREAD_DATE: Final = re.compile(r"(?P<place>[^,\d]+),\s*(?=.*\d).{1,30}")
_TAGS: Final = re.compile(r"tags\s*:(.*)", re.IGNORECASE)
_MORE: Final = re.compile(r"more\s+(\S.{0,60}?)\s+stories", re.IGNORECASE)
_FURNITURE: Final = re.compile(
    r"ads|advertisements?|calendar\s?calendar\b.*|calendar of events", re.IGNORECASE
)
_MARKS: Final = re.compile(r"[»›>|•·\s]*")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

_STOPS: Final = tuple(".!?…:;")
_ENDS_SENTENCE: Final = tuple(".!?…\"'”’»):;,")
_CREDIT: Final = re.compile(
    r"(?P<before>.*)(?:(?:^|\s)[-–—]+\s*|(?<=[.!?…\"'”’)])[-–—]+\s*)(?P<name>[^\s–—-].*)"
)
_DANGLING: Final = re.compile(r"(?:\s+|(?<=[.!?…\"'”’)])|^)[-–—]+$")
_CREDIT_WORD: Final = re.compile(r"&|/|[^\W\d_][^\W\d_/&-]*(?:[-/&][^\W\d_]+)*")
_AGENCIES: Final = frozenset(
    {"reuters", "afp", "ap", "agencies", "agency", "dpa", "ansa", "efe", "tass", "xinhua", "bloomberg"}
)

_LONGEST_PAGE: Final = 200_000
_LONGEST_TITLE: Final = 250
_LONGEST_HEADING: Final = 80
_LONGEST_SLUG: Final = 80
_LONGEST_NAME: Final = 200
"""In bytes: file names have at most 255, and a date, a suffix and an editor's backup mark are added."""
_UNWRAPPED: Final = 160
_MOST_TAGS: Final = MOST_ITEMS + 1  # the line may end in a separator


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, or one sub-heading, on one line."""

    text: str
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of a saved news page; what was not found is empty, and named in `missing`."""

    title: str
    dateline: str
    published: date | None
    blocks: tuple[Block, ...]
    section: str
    tags: tuple[str, ...]
    source: str
    missing: tuple[str, ...]


def read_page(text: str) -> Page:
    """Find the parts of a news page that was saved as text.

    Expected, in this order: the day it was saved, lines of marks alone (`»`, `|`), `Story`; headline;
    `CITY, Month D, YYYY`; paragraphs with upper-case sub-headings and agency credits; `Tags: A | B |`;
    `More SECTION Stories`; furniture (advertisements, calendars). Raises PageRefused if there is no headline
    or no body, if the page is too long, or if it has more tags than a story may have.
    """
    if len(text) > _LONGEST_PAGE:
        raise PageRefused(f"{len(text):,} characters are no news page; cut it to {_LONGEST_PAGE:,} at most")
    lines = [" ".join(line.split()) for line in re.split(r"\r\n|\r|\n", without_illegal(text))]
    story, furniture = _parted([line.removeprefix("\ufeff") for line in lines])
    title, rest = _headline(story)
    dateline, published, rest = _dateline(rest)
    blocks, credits_ = _body(rest)
    if not any(not block.is_heading for block in blocks):
        raise PageRefused("no body: there is no paragraph below the headline")
    source = Counter(credits_).most_common(1)[0][0] if credits_ else ""
    section, tags = _section(furniture), _tags(furniture)
    found = {"tags": tags, "section": section, "source": source, "dateline": dateline, "date": published}
    missing = tuple(name for name, part in found.items() if not part)
    return Page(title, dateline, published, blocks, section, tags, source, missing)


def _parted(lines: list[str]) -> tuple[list[str], list[str]]:
    for number, line in enumerate(lines):
        if line and any(pattern.fullmatch(line) for pattern in (_TAGS, _MORE, _FURNITURE)):
            return lines[:number], lines[number:]
    return lines, []


def _headline(lines: list[str]) -> tuple[str, list[str]]:
    for number, line in enumerate(lines):
        if _MARKS.fullmatch(line) or line.lower() == "story":
            continue
        if _DATE.fullmatch(_WEEKDAY.sub("", line, count=1)):
            continue
        place, published = _place_and_date(line)
        # A headline may well end in a date; a line with a place in capitals before the date is a dateline.
        if len(line) > _LONGEST_TITLE or (published and place.isupper()):
            break
        return line, lines[number + 1 :]
    raise PageRefused("no headline: the first line of the story must be one")


def _dateline(lines: list[str]) -> tuple[str, date | None, list[str]]:
    # There may be a standfirst between headline and dateline, so a later line must have a date to be one.
    written = [number for number, line in enumerate(lines) if line][:3]
    for position, number in enumerate(written):
        place, published = _place_and_date(lines[number])
        if published or (place and position == 0):
            return place, published, [*lines[:number], "", *lines[number + 1 :]]
    return "", None, lines


def _place_and_date(line: str) -> tuple[str, date | None]:
    if len(line) > _LONGEST_HEADING:
        return "", None
    if found := _DATE.search(line):
        place = line[: found.start()].rstrip(" ,-–—")
        return (place, _day(found)) if _is_place(place) else ("", None)
    if (unread := _UNREAD_DATE.fullmatch(line)) and unread["place"].isupper():
        return unread["place"].strip(), None
    is_dateline = _is_upper(line) and not line.endswith(_STOPS)
    return (line.rstrip(","), None) if is_dateline else ("", None)


def _is_place(name: str) -> bool:
    return not name or name.isupper() or (len(name.split()) <= 4 and name.istitle())


def _day(found: re.Match[str]) -> date | None:
    month = _MONTHS.index((found["month"] or found["month2"])[:3].lower()) + 1
    try:
        return date(int(found["year"]), month, int(found["day"] or found["day2"]))
    except ValueError:
        return None


def _is_upper(line: str) -> bool:
    return len(line) <= _LONGEST_HEADING and line.isupper()


def _body(lines: list[str]) -> tuple[tuple[Block, ...], list[str]]:
    blocks: list[Block] = []
    named: list[str] = []
    for paragraph in _paragraphs(lines):
        if _MARKS.fullmatch(paragraph):
            continue
        if _is_upper(paragraph) and not paragraph.endswith(_ENDS_SENTENCE):
            blocks.append(Block(paragraph, is_heading=True))
            continue
        text, credit = _uncredited(paragraph)
        if credit:
            named.append(credit)
        if text:
            blocks.append(Block(text))
    return tuple(blocks), named


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """The paragraphs: lines between blank ones are one that was wrapped, unless one is too long for that."""
    group: list[str] = []
    for line in [*lines, ""]:
        if line and not _is_upper(line):
            group.append(line)
            continue
        if any(len(part) > _UNWRAPPED for part in group):
            yield from group
        elif group:
            yield " ".join(group)
        group = []
        if line:
            yield line


def _uncredited(paragraph: str) -> tuple[str, str]:
    text = _DANGLING.sub("", paragraph)
    if text.lower() in _AGENCIES:
        return "", text
    found = _CREDIT.fullmatch(text)
    if found and _is_credit(found["name"], found["before"].rstrip()):
        return found["before"].rstrip(), found["name"]
    return text, ""


def _is_credit(name: str, before: str) -> bool:
    words = name.split() if len(name) <= _LONGEST_HEADING else []
    if not 1 <= len(words) <= 4 or not all(_CREDIT_WORD.fullmatch(word) for word in words):
        return False
    if not all(word[0].isupper() or word in {"&", "/"} for word in words):
        return False
    # A dash in mid-sentence sets off a clause ("… in the town hall - Ellery"), unless it is a known agency.
    return not before or before.endswith(_ENDS_SENTENCE) or words[0].lower() in _AGENCIES


def _section(furniture: list[str]) -> str:
    for line in furniture:
        if found := _MORE.fullmatch(line):
            words = found[1].split()
            if len(words) > 1 and words[-1].lower() == "news":
                words.pop()
            return _WORD.sub(_title_case, " ".join(words))
    return ""


def _title_case(word: re.Match[str]) -> str:
    return word[0].capitalize() if word[0].isupper() else word[0]


def _tags(furniture: list[str]) -> tuple[str, ...]:
    for line in furniture:
        if found := _TAGS.fullmatch(line):
            apart = found[1].split("|" if "|" in found[1] else ",")
            if len(apart) > _MOST_TAGS:
                raise PageRefused(f"{len(apart):,} tags: a story may have {MOST_ITEMS}; cut the line 'Tags:'")
            return tuple(dict.fromkeys(tag.strip() for tag in apart if tag.strip()))
    return ()


def to_story(page: Page) -> tuple[str, str]:
    """The path of a page's story, relative to `content/`, and its Markdown with YAML front matter.

    Both depend on the page alone: importing it again writes the same bytes to the same place.
    """
    story_id = _story_id(page)
    found = {
        "id": story_id,
        "title": escaped(page.title),
        "date": page.published,
        "dateline": escaped(page.dateline),
        "section": escaped(page.section),
        "tags": [escaped(tag) for tag in page.tags],
        "source": escaped(page.source),
    }
    kept = {key: value for key, value in found.items() if value}
    front = yaml.safe_dump(kept, allow_unicode=True, sort_keys=False, width=float("inf"))
    body = "\n\n".join(_markdown(block) for block in page.blocks)
    return f"{story_id}.md", f"---\n{front}---\n\n{body}\n"


def _story_id(page: Page) -> str:
    named = slug(page.title)
    if len(named) > _LONGEST_SLUG:
        named = named[: _LONGEST_SLUG + 1].rpartition("-")[0] or named[:_LONGEST_SLUG]
    named = named.encode()[:_LONGEST_NAME].decode(errors="ignore").strip("-")
    dated = f"{page.published.isoformat()}-{named}" if page.published else named
    return "/".join(part for part in (section_path(page.section)[0], dated) if part)


_SYNTAX: Final = re.compile(r"[\\`*_\[\]<~|]|&(?=#?\w+;)")
_LINE_START: Final = re.compile(r"(\d{1,9})(?=[.)](?:\s|$))|(?=[#>+=-])")


def _markdown(block: Block) -> str:
    text = _SYNTAX.sub(r"\\\g<0>", block.text)
    if block.is_heading:
        return "## " + text.replace("#", "\\#")
    return _LINE_START.sub(r"\1\\", text, count=1) if _LINE_START.match(text) else text
