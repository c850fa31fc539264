"""An archive of invented stories, the same for the same size and seed, on every machine.

Knows how newsrooms file stories, and neither feedsvc nor any of its peers: Hugo, Pelican and feedsvc all read
the same Markdown with the same YAML front matter. Run by itself it writes one:
`python -m benchmarks.corpus FOLDER --size 10000`.
"""

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20_261_122
NEWEST = datetime(2026, 11, 22, 12, tzinfo=UTC)
_MINUTES_APART = 47
"""Between two stories: some thirty a day, as a regional newsroom publishes. 100,000 go back nine years."""
_MINUTES_IN_ALL = 26_000_000
"""What an archive spans at most, which is some fifty years: those of a million stories come twice as fast."""

SECTIONS = tuple(
    f"{desk}/{beat}"
    for desk, beats in {
        "world": "harbours mountains islands borders",
        "national": "courts schools councils weather",
        "business": "markets crafts energy farming",
        "culture": "stage screen books music",
        "science": "oceans skies soil medicine",
        "sport": "rowing football climbing cycling",
    }.items()
    for beat in beats.split()
)
TAGS = tuple(
    f"{kind} {thing}"
    for kind in "Harbour Mountain River Winter Summer Night City Village Island Market".split()
    for thing in (
        "ferries bridges trains bakers elections floods budgets lanterns gardens orchestras schools clinics "
        "libraries strikes tunnels beacons ponies mills kiosks tides"
    ).split()
)
AUTHORS = tuple(
    f"{first} {last}"
    for first in "Runa Petra Ilse Tomas Odile Maren Bram Signe Yusuf Clara".split()
    for last in (
        "Estevik Lindqvane Morrow Halloran Vestergard Quill Tamsin Okoro Brandt Delacourt Fenwick Ruiz"
    ).split()
)
_WORDS = (
    "the a of and to in on for with from after before between during against harbour council ferry bridge "
    "winter morning evening price school mayor report plan line station engineer farmer season market "
    "river stone light budget vote meeting answer question road village city station cost week month year "
    "number people worker owner said told asked opened closed agreed argued promised counted carried "
    "repaired painted measured found lost took gave went came stayed left returned early late new old "
    "small large narrow quiet busy local public third second almost nearly again however meanwhile still "
    "already never often twice"
).split()
_WORDS_A_BODY = (120, 520)
DESCRIPTION = (
    f"corpus of seed {SEED}: {len(SECTIONS)} beats in {len({one.partition('/')[0] for one in SECTIONS})} "
    f"sections, {len(TAGS)} tags, {len(AUTHORS)} authors, {_WORDS_A_BODY[0]} to {_WORDS_A_BODY[1]} words a "
    "story"
)
"""What is in it, for those who read the figures."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One story: where its file is, below the folder of stories, and what it says."""

    path: str
    text: str


def stories(size: int, seed: int = SEED, start: int = 0) -> Iterator[Plan]:
    """Stories number `start` to `start + size`, newest last; each depends on seed and number alone."""
    apart = min(_MINUTES_APART, _MINUTES_IN_ALL // (start + size))
    for number in range(start, start + size):
        yield story(number, NEWEST - timedelta(minutes=apart * (start + size - number)), seed)


def story(number: int, at: datetime, seed: int = SEED) -> Plan:
    """The story of that number, published at `at` (aware UTC)."""
    dice = random.Random(f"{seed}/{number}")
    section = dice.choice(SECTIONS)
    tags = dice.sample(TAGS, dice.randint(1, 5))
    authors = dice.sample(AUTHORS, dice.choice((1, 1, 1, 2)))
    title = f"{' '.join(dice.choices(_WORDS, k=dice.randint(5, 10))).capitalize()} {number}"
    front = [
        "---",
        f"title: {title}",
        f"date: {at.isoformat()}",
        f"section: {section}",  # the folders of months below it are no sections
        f"tags: [{', '.join(tags)}]",
        f"authors: [{', '.join(authors)}]",
        f"summary: {_sentence(dice, 18)}",
        "---",
        "",
    ]
    folder = f"{section}/{at:%Y-%m}"
    return Plan(f"{folder}/story-{number:07}.md", "\n".join([*front, _body(dice), ""]))


def write(folder: Path, size: int, seed: int = SEED) -> None:
    """Write an archive of `size` stories below `folder`."""
    made: set[Path] = set()
    for plan in stories(size, seed):
        file = folder / plan.path
        if file.parent not in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            made.add(file.parent)
        file.write_text(plan.text, "utf-8")


def _body(dice: random.Random) -> str:
    left = dice.randint(*_WORDS_A_BODY)
    paragraphs: list[str] = []
    while left > 0:
        sentences = [_sentence(dice, dice.randint(8, 24)) for _ in range(dice.randint(2, 5))]
        left -= sum(sentence.count(" ") + 1 for sentence in sentences)
        paragraphs.append(" ".join(sentences))
    if len(paragraphs) > 2:
        paragraphs[1] = f"> {paragraphs[1]}"
        paragraphs.insert(2, f"## {_sentence(dice, 4).rstrip('.')}")
        paragraphs.append(
            f"[{_sentence(dice, 3).rstrip('.')}](/world/{dice.randint(1, 9999)}) – *{_sentence(dice, 4)}*"
        )
    return "\n\n".join(paragraphs)


def _sentence(dice: random.Random, words: int) -> str:
    return f"{' '.join(dice.choices(_WORDS, k=words)).capitalize()}."


def _main() -> None:
    parser = argparse.ArgumentParser(description="Write an archive of invented stories.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    write(arguments.folder, arguments.size, arguments.seed)


if __name__ == "__main__":
    _main()
