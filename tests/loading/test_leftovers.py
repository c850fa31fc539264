"""What editors and synchronisers leave is no story, and a newsroom's own names are not taken for it."""

from pathlib import Path

import pytest

from feedsvc.domain.selection import Rules
from feedsvc.lint.check import check
from feedsvc.loading.leftovers import is_leftover
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.walk import is_passed_over, story_path, walk
from tests.stories import write_story

LEFT = [
    "talks.sync-conflict-20261128-054700-ABCDEFG.md",
    "talks.sync-conflict-20261128-054700.md",
    "talks (conflicted copy).md",
    "talks (Jane Doe's conflicted copy 2026-11-28).md",
    "talks (conflicted copy 2026-11-28 054700).md",
    "talks (conflicted copy jane 2026-11-28 054700).md",
    "talks (Jane Doe (desk)'s conflicted copy 2026-11-28).html",
    "talks (Conflicted copy iPhone 202611280547).md",
    "talks (In Konflikt stehende Kopie von Jana 2026-11-28).md",
    "talks (Copie en conflit de Jeanne 2026-11-28).md",
    "talks (Case Conflict).md",
    "talks (Case Conflict 1).md",
    "talks (Unicode Encoding Conflict).json",
    "talks (case clash from jane).md",
    "talks_conflict-20261128-054700.md",
    "talks_conflict-jane-20261128-054700.md",
    "talks (SFConflict jane@example.org 2026-11-28-05-47-00).md",
    "talks_nas_Nov-28-0547-2026_Conflict.md",
    "talks_nas_Nov-28-054700-2026_CaseConflict.md",
    "talks-DESKTOP-AB12CD3.md",
    "talks-DESKTOP-AB12CD3-2.md",
    "talks-LAPTOP-1A2B3C4D.md",
    "talks_conf(1).md",
    "talks (# Edit conflict 2026-11-28 aBc1 #).md",
    "talks_LOCAL_1234.md",
    "talks_REMOTE_1234.md",
    "talks_BASE_1234.md",
    "talks_BACKUP_1234.md",
    "~$talks.html",
    "talks~.md",
    "talks.bak.md",
    "talks.tmp.md",
    "talks.rej.md",
    "talks.OLD.md",
    "talks.syncthing.tmp.md",
    "talks.sync-conflict-20261128.md",
    "talks - conflicted copy.md",
    "talks - Conflict.md",
    "talks [conflicted].md",
    "talks [conflicted 2].md",
    "talks (conflict).md",
    "talks (Conflict 2).md",
    "talks (Konflikt).md",
    "talks.LOCAL.1234.md",
]
NO_STORY_SUFFIX = [
    "talks.md~",
    "talks.md.~1~",
    "#talks.md#",
    "talks.md.swp",
    "talks.md.orig",
    "talks.md.rej",
    "talks.md.save",
    "talks.md___jb_tmp___",
    "talks.md.mine",
    "talks.md.filepart",
    "talks.md.conflict1",
]
HIDDEN = [".talks.md.swp", ".#talks.md", ".talks.md.Xy12Ab", ".syncthing.talks.md.tmp", ".~lock.talks.html#"]
STORIES = [
    "talks.md",
    "a-conflicted-copy.md",
    "the conflicted copy of hamlet.md",
    "Hamlet (a copy in conflict).md",
    "sudan (conflict since 2023-04-15).md",
    "tigray (case-conflict).md",
    "sync-conflict.md",
    "ukraine_conflict.md",
    "ukraine_conflict-2026.md",
    "what-is-a-sync-conflict-20261128.md",
    "smith-v-jones (case conflict).md",
    "part 2.md",
    "talks (1).md",
    "talks copy.md",
    "Copy of talks.md",
    "talks-LONDON.md",
    "why-i-left-my-DESKTOP-at-home.md",
    "think GLOBAL_act_LOCAL.md",
    "LOCAL_elections.md",
    "video_conf(erence).md",
    "all-your-BASE.md",
    "nato-base_1949.md",
    "Nov-28-2026_Conflict.md",
    "sudan - a conflict.md",
    "sudan - conflict and famine.md",
    "the-old.md",
    "a-template.md",
    "pride-and-conflict.md",
    "nobel [conflict resolution].md",
    "index.en.md",
]


@pytest.mark.parametrize("name", [*LEFT, *NO_STORY_SUFFIX, *HIDDEN])
def test_leftover_is_no_story(tmp_path: Path, name: str) -> None:
    write_story(tmp_path, name)
    write_story(tmp_path, "talks.md")
    assert [file.path for file in walk(tmp_path)] == ["talks.md"]
    assert list(walk(tmp_path, name)) == []
    if name not in NO_STORY_SUFFIX:
        assert is_passed_over(name)
        assert story_path(tmp_path, tmp_path / name) is None


@pytest.mark.parametrize("name", STORIES)
def test_name_that_may_be_a_storys_is_read(tmp_path: Path, name: str) -> None:
    write_story(tmp_path, name)
    assert [file.path for file in walk(tmp_path)] == [name]
    assert not is_leftover(name)


def test_check_names_leftovers_that_would_be_stories(tmp_path: Path, rules: Rules) -> None:
    root = tmp_path / "content"
    for name in LEFT:
        write_story(root, name)
    write_story(root, "world (Selective Sync Conflict)/a.md")
    (root / "~$notes.html").write_text("no story")
    write_story(root, ".draft.md")
    found = [one for one in check(root, LoadRules(), rules) if one.rule == "name-left-out"]
    stories = [name for name in LEFT if not name.endswith(".json")]  # which this would be no story in
    wanted = {f"content/{name}" for name in (*stories, "world (Selective Sync Conflict)/")}
    assert {one.place for one in found} == wanted
    assert all("leave backups and copies in conflict" in one.reason for one in found)
