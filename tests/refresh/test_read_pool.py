"""Files come to the same wherever they are read, in the order found, whatever happens to a reader."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from feedsvc.domain.model import CustomFeed
from feedsvc.loading import walk
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.settling import NOTHING_KNOWN
from feedsvc.loading.walk import FoundFile
from feedsvc.refresh import read_pool
from feedsvc.refresh.read_pool import Asked, Made, Outcome, ReadRules, Ready
from feedsvc.util.processes import Process
from tests.stories import write_story

MANY = 2 * read_pool.FILES_A_BATCH + 300


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> ReadRules:
    """A folder of more stories than are read in this process, some of them bad."""
    root = tmp_path_factory.mktemp("content")
    for number in range(MANY):
        write_story(root, f"world/{number:04}.md", tags="[Night Work, Ferries]")
    (root / "world" / "0007.md").write_text("no front matter")
    write_story(root, "world/0008.md", correction="It was Tuesday.")
    write_story(root, "world/0009.md", status="withdrawn")
    return ReadRules(root, LoadRules(), (CustomFeed("night", include_tags=("night-work",)),))


def files(rules: ReadRules) -> list[FoundFile]:
    return list(walk.walk(rules.root))


def spread(rules: ReadRules, found: Sequence[FoundFile]) -> list[Outcome]:
    return [outcome for batch in read_pool.outcomes(rules, found) for outcome in batch]


def one_by_one(rules: ReadRules, found: Sequence[FoundFile]) -> list[Outcome]:
    return [outcome for file in found for batch in read_pool.outcomes(rules, [file]) for outcome in batch]


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_pool, "processors", lambda: 2)


def test_many_files_come_to_the_same_as_one_by_one(rules: ReadRules) -> None:
    found = files(rules)
    assert spread(rules, found) == one_by_one(rules, found)


def test_story_is_plain_if_nothing_about_it_follows_from_what_was_before(rules: ReadRules) -> None:
    made = {file.path: one for file, one in one_by_one(rules, files(rules)[6:11])}
    plain = {path: one.plain for path, one in made.items() if isinstance(one, Ready)}
    assert plain == {
        "world/0006.md": True,
        "world/0008.md": False,
        "world/0009.md": False,
        "world/0010.md": True,
    }


def test_files_that_went_meanwhile_are_left_out(rules: ReadRules) -> None:
    found = [*files(rules), FoundFile("world/gone.md", 1, 1)]
    assert [file.path for file, _ in spread(rules, found)] == [file.path for file in found[:-1]]


def test_reader_that_dies_loses_no_file(rules: ReadRules, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mortal(Process[Asked, Made]):
        asked = 0

        def ask(self, files: Asked) -> None:
            Mortal.asked += 1
            if Mortal.asked == 3:
                self._process.kill()
                self._process.wait()
            super().ask(files)

    monkeypatch.setattr(read_pool, "Process", Mortal)
    found = files(rules)
    assert [file.path for file, _ in spread(rules, found)] == [file.path for file in found]
    assert Mortal.asked >= 3


def test_readers_end_when_nobody_wants_more(rules: ReadRules, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int | None] = []

    class Watched(Process[Asked, Made]):
        def end(self) -> None:
            super().end()
            ended.append(self._process.poll())

    monkeypatch.setattr(read_pool, "Process", Watched)
    batches = read_pool.outcomes(rules, files(rules))
    next(batches)  # is read here: processes take a moment to start
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(ended) == 2
    assert None not in ended


def test_reader_ends_with_its_pipe(rules: ReadRules) -> None:
    reader = Process[Asked, Made]("feedsvc.refresh.read_pool:read", rules)
    reader.ask([(files(rules)[0].path, NOTHING_KNOWN)])
    assert isinstance(reader.answer()[0], Ready)
    reader._to.close()
    assert reader._process.wait(timeout=10) == 0
    reader.end()


def test_no_reader_finds_modules_in_the_folder_it_is_started_in(
    rules: ReadRules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('a file of the user, not a module')")
    monkeypatch.chdir(tmp_path)
    found = files(rules)
    assert len(spread(rules, found)) == len(found)
