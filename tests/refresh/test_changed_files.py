"""A look finds just what changed and what is gone, whatever the folder and the memory of it hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedsvc.loading.walk import FoundFile
from feedsvc.refresh import changed_files
from feedsvc.refresh.changed_files import Look, NamedLook
from feedsvc.store.sources import Seen

_names = st.text("ab-./é", min_size=1, max_size=4)
_states = st.dictionaries(_names, st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=8)


@given(_states, _states, st.sampled_from([0, 1, 100]))
def test_changed_and_gone_are_the_difference_of_both_sides(
    found: dict[str, tuple[int, int]], seen: dict[str, tuple[int, int]], most_new: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changed_files, "_MOST_NEW", most_new)
        made = Look(
            [FoundFile(path, *state) for path, state in sorted(found.items())],
            [Seen(path, *state) for path, state in sorted(seen.items())],
        )
        read = [file.path for file in made.changed()]
    assert sorted(read) == sorted(path for path, state in found.items() if seen.get(path) != state)
    assert made.gone == sorted(seen.keys() - found.keys())


def test_files_that_were_read_before_are_read_before_new_ones() -> None:
    """One of them may hold back what is published."""
    found = [FoundFile(path, 1, 1) for path in ("a.md", "b.md", "c.md", "d.md")]
    made = Look(found, [Seen("c.md", 2, 2)])
    assert [file.path for file in made.changed()] == ["c.md", "d.md", "a.md", "b.md"]
    named = NamedLook(
        ["d.md", "c.md", "b.md"],
        {"c.md": Seen("c.md", 1, 1)},
        lambda path: [file for file in found if file.path == path],
        lambda _: [],
    )
    assert [file.path for file in named.changed()] == ["c.md", "d.md", "b.md"]


def test_named_file_or_folder_that_is_not_there_is_gone_with_all_that_was_below() -> None:
    below = {"old": [Seen("old/a.md", 1, 1), Seen("old/b.md", 1, 1)], "never.md": []}
    made = NamedLook(
        ["a.md", "old", "never.md"], {"a.md": Seen("a.md", 1, 1)}, lambda _: [], below.__getitem__
    )
    assert list(made.changed()) == []
    assert made.gone == ["a.md", "old/a.md", "old/b.md"]


def test_folder_that_may_not_be_read_is_told_once_and_nothing_in_it_is_gone() -> None:
    found = [FoundFile("a.md", 1, 1), FoundFile("world", 0, 0, unreadable=True), FoundFile("z.md", 1, 1)]
    seen = [Seen("a.md", 1, 1), Seen("world/b.md", 1, 1), Seen("world.md", 1, 1), Seen("z.md", 1, 1)]
    first = Look(found, sorted(seen))
    assert [file.path for file in first.changed()] == ["world"]
    assert first.gone == ["world.md"]
    second = Look(found, sorted([*seen, Seen("world", 0, 0)]))
    assert list(second.changed()) == []
    assert second.gone == ["world.md"]


def test_root_that_may_not_be_read_leaves_all_as_it_is() -> None:
    made = Look([FoundFile(".", 0, 0, unreadable=True)], [Seen("a.md", 1, 1), Seen("b/c.md", 1, 1)])
    assert [file.path for file in made.changed()] == ["."]
    assert made.gone == []


def test_missing_file_that_is_there_again_unchanged_has_returned() -> None:
    """One that was changed meanwhile is read, which says the same."""
    seen = [Seen("a.md", 1, 1, 9), Seen("b.md", 1, 1, 9), Seen("c.md", 1, 1, 9), Seen("d.md", 1, 1)]
    made = Look([FoundFile("a.md", 1, 1), FoundFile("b.md", 2, 1), FoundFile("d.md", 1, 1)], seen)
    assert [file.path for file in made.changed()] == ["b.md"]
    assert (made.returned, made.gone) == (["a.md"], ["c.md"])


def test_files_met_by_way_of_a_link_are_noted() -> None:
    made = Look([FoundFile("a.md", 1, 1, linked=True), FoundFile("b.md", 1, 1)], [])
    assert len(list(made.changed())) == 2
    assert made.linked == {"a.md"}
