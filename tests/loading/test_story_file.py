import os
import re
import sys
from pathlib import Path
from typing import get_args

import pytest
from structlog.testing import capture_logs

from feedsvc.domain.model import Loaded, Rejected
from feedsvc.loading import fields, story_file
from feedsvc.loading.errors import Rule
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import load, parse
from feedsvc.loading.walk import FoundFile, story_path, walk

STORY = "---\ntitle: T\ndate: 2026-02-11\n---\nText."
RULES = LoadRules()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "content"
    made.mkdir()
    return made


def write(root: Path, *paths: str) -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(STORY, encoding="utf-8")


def paths(root: Path, under: str = "") -> list[str]:
    return [found.path for found in walk(root, under)]


def reason(root: Path, path: str, rules: LoadRules = RULES) -> str:
    made = load(root, path, rules)
    assert isinstance(made, Rejected)
    assert (made.path, made.line) == (path, 1)
    return made.reason


# walk


def test_stories_come_in_path_order(root: Path) -> None:
    write(root, "b.md", "a/x.md", "a.md", "a-b/y.HTML", "a/b/z.json", "c.markdown", "d.htm", "a/b.md")
    assert paths(root) == sorted(paths(root))
    assert paths(root) == [
        "a-b/y.HTML",
        "a.md",
        "a/b.md",
        "a/b/z.json",
        "a/x.md",
        "b.md",
        "c.markdown",
        "d.htm",
    ]


def test_size_and_mtime_are_the_files_own(root: Path) -> None:
    write(root, "a.md")
    seen = (root / "a.md").stat()
    assert list(walk(root)) == [FoundFile("a.md", len(STORY), seen.st_mtime_ns)]


PASSED_OVER = [
    *(
        ".hidden.md",
        ".git/a.md",
        "a.md~",
        "a.md.swp",
        ".a.md.swp",
        ".#a.md",
        "#a.md#",
        "a.md.bak",
        "a.md.orig",
    ),
    *(
        "a.md.tmp",
        "a.txt",
        "a.jpg",
        "a",
        "_index.md",
        "sub/_index.en.html",
        "old~/a.md",
        "x.bak/a.md",
        "~a.md",
    ),
]


@pytest.mark.parametrize("path", PASSED_OVER)
def test_hidden_files_backups_and_other_suffixes_are_passed_over(root: Path, path: str) -> None:
    write(root, path, "story.md")
    assert paths(root) == ["story.md"]
    assert paths(root, path) == []


def test_what_is_missing_yields_nothing(root: Path) -> None:
    assert paths(root / "nowhere") == []
    assert paths(root, "nowhere") == []
    assert paths(root, "nowhere.md") == []


def test_a_walk_may_begin_below(root: Path) -> None:
    write(root, "a/b/x.md", "a/y.md", "ab.md", "c.md")
    assert paths(root, "a") == ["a/b/x.md", "a/y.md"]
    assert paths(root, "a/") == ["a/b/x.md", "a/y.md"]
    assert paths(root, "a/b/x.md") == ["a/b/x.md"]


def test_links_to_folders_are_followed_within_the_root(root: Path) -> None:
    write(root, "real/deep/x.md")
    (root / "link").symlink_to(root / "real")
    assert paths(root) == ["link/deep/x.md", "real/deep/x.md"]
    assert paths(root, "link") == ["link/deep/x.md"]
    assert isinstance(load(root, "link/deep/x.md", RULES), Loaded)


def test_loops_of_links_end(root: Path) -> None:
    write(root, "a/x.md", "b/y.md")
    (root / "a" / "self").symlink_to(root / "a")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "b").symlink_to(root / "b")
    (root / "b" / "a").symlink_to(root / "a")
    (root / "eats-itself.md").symlink_to(root / "eats-itself.md")
    found = paths(root)
    assert {"a/x.md", "b/y.md", "a/b/y.md", "b/a/x.md"} <= set(found)
    assert len(found) == len(set(found)) < 10


def test_many_links_among_folders_do_not_multiply(root: Path) -> None:
    names = [f"n{number}" for number in range(8)]
    for name in names:
        write(root, f"{name}/x.md")
        for other in names:
            if other != name:
                (root / name / other).symlink_to(root / other)
    assert len(paths(root)) < 8 * 60


def test_links_that_lead_out_are_found_and_rejected(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside/secret.md")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "file.md").symlink_to(tmp_path / "outside" / "secret.md")
    assert paths(root) == ["file.md", "folder"]
    assert paths(root, "folder/secret.md") == ["folder"]
    for path in ("file.md", "folder", "folder/secret.md", "../outside/secret.md"):
        assert "leads out of the content folder" in reason(root, path)


def test_a_sibling_whose_name_begins_alike_is_outside(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "content-old/secret.md")
    (root / "a.md").symlink_to(tmp_path / "content-old" / "secret.md")
    assert "leads out" in reason(root, "a.md")


def test_a_link_that_leads_nowhere_is_found_and_rejected(root: Path) -> None:
    (root / "a.md").symlink_to(root / "gone.md")
    assert paths(root) == ["a.md"]
    assert "leads nowhere" in reason(root, "a.md")


def test_a_linked_root_is_no_link_out(root: Path, tmp_path: Path) -> None:
    write(root, "a.md")
    link = tmp_path / "link"
    link.symlink_to(root)
    assert paths(link) == ["a.md"]
    assert isinstance(load(link, "a.md", RULES), Loaded)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8_are_found_escaped_and_rejected(root: Path) -> None:
    with open(os.fsencode(root) + b"/caf\xe9.md", "wb") as file:
        file.write(STORY.encode())
    assert paths(root) == ["caf\\xe9.md"]
    assert "not UTF-8; rename it" in reason(root, "caf\\xe9.md")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_what_may_not_be_read_is_rejected(root: Path) -> None:
    write(root, "shut/a.md", "b.md")
    (root / "b.md").chmod(0)
    (root / "shut").chmod(0)
    try:
        assert paths(root) == ["b.md", "shut"]
        assert "cannot be read" in reason(root, "b.md")
    finally:
        (root / "shut").chmod(0o700)


# story_path


def test_a_watchers_path_becomes_a_storys(root: Path) -> None:
    write(root, "world/a.md", "v1.2/b.md", "notes")
    assert story_path(root, root / "world/a.md") == "world/a.md"
    assert story_path(root, root / "world/gone.MD") == "world/gone.MD"
    assert story_path(root, root / "world") == "world"
    assert story_path(root, root / "v1.2") == "v1.2"
    assert story_path(root, root / "gone-folder") == "gone-folder"
    assert story_path(root, root / "v1.3") == "v1.3", "a folder that is gone may have had a dot in its name"
    assert story_path(root, root) == ""
    assert story_path(root, root / "notes") is None
    assert story_path(root, root.parent) is None
    assert story_path(root, root.parent / "content-old" / "a.md") is None


@pytest.mark.parametrize("path", [path for path in PASSED_OVER if path not in {"a", "_index.md"}])
def test_a_watcher_is_told_nothing_of_what_is_passed_over(root: Path, path: str) -> None:
    write(root, path)
    assert story_path(root, root / path) is None


def test_a_watcher_may_see_the_root_through_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert story_path(tmp_path / "link", root / "a.md") == "a.md"
    assert story_path(tmp_path / "link", tmp_path / "link" / "a.md") == "a.md"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8_is_looked_for_in_its_folder(root: Path) -> None:
    assert story_path(root, root / "world" / os.fsdecode(b"caf\xe9.md")) == "world"
    assert story_path(root, root / os.fsdecode(b"caf\xe9.md")) == ""


# load


def test_a_story_is_loaded_as_its_bytes_are_parsed(root: Path) -> None:
    write(root, "world/a.md")
    made = load(root, "world/a.md", RULES)
    assert made == parse("world/a.md", STORY.encode(), RULES)
    assert isinstance(made, Loaded)
    assert (made.path, made.article.id) == ("world/a.md", "world/a")


def test_a_file_that_has_gone_is_not_a_bad_story(root: Path) -> None:
    write(root, "a.md")
    with pytest.raises(FileNotFoundError):
        load(root, "b.md", RULES)
    with pytest.raises(FileNotFoundError):
        load(root, "a.md/b.md", RULES)


def test_a_file_over_the_limit_is_rejected_unread(root: Path) -> None:
    with open(root / "a.md", "wb") as file:
        file.truncate(10_000_000_000)
    assert reason(root, "a.md") == "10,000,000,000 bytes are too many; a story may have 5,000,000"


def test_the_limit_itself_is_allowed(root: Path) -> None:
    write(root, "a.md")
    assert load(root, "a.md", LoadRules(max_file_bytes=len(STORY))) == parse("a.md", STORY.encode(), RULES)
    assert "too many" in reason(root, "a.md", LoadRules(max_file_bytes=len(STORY) - 1))


def test_what_is_no_regular_file_does_not_hold_the_process(root: Path) -> None:
    os.mkfifo(root / "a.md")
    (root / "b.md").mkdir()
    assert paths(root) == ["a.md"]
    assert "not a regular file" in reason(root, "a.md")
    assert "cannot be read" in reason(root, "b.md")


# parse


def test_dates_without_a_zone_take_the_rules_zone() -> None:
    made = parse("a.md", STORY.encode(), LoadRules(timezone="Asia/Tokyo"))
    assert isinstance(made, Loaded)
    assert made.article.published.isoformat() == "2026-02-10T15:00:00+00:00"


def test_a_story_that_trips_the_loader_harms_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(*_: object) -> None:
        raise ZeroDivisionError("by\x0bnought")

    monkeypatch.setattr(fields, "article", trip)
    with capture_logs() as logs:
        made = parse("a.md", STORY.encode(), RULES)
    assert made == Rejected(
        "a.md",
        1,
        "internal error, ZeroDivisionError: bynought; please report it with the file",
        rule="internal-error",
    )
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("story_crashed", "error")]


def test_a_rejected_story_reads_like_a_compilers_message() -> None:
    made = parse("world/talks.md", b"---\ntitle: T\n\npublished: yesterday\n---\nText", RULES)
    wanted = "write 2026-02-11 or 2026-02-11T14:00:00+01:00"
    assert str(made) == f"world/talks.md:4: published: 'yesterday' is not a date; {wanted}"


# Rules


def keys(*lines: str) -> str:
    return "\n".join(["---", "date: 2026-02-11", *lines, "---", "Text."])


FAULTS: dict[str, tuple[str, str | bytes]] = {
    "body-missing": ("a.json", '{"title": "T", "date": "2026-02-11"}'),
    "cdata-end": ("a.md", keys("title: ']]>'")),
    "character-removed": ("a.md", keys("title: A\x0b")),
    "date-invalid": ("a.md", keys("embargo: soon")),
    "date-missing": ("a.md", "---\ntitle: T\n---\n"),
    "date-too-early": ("a.md", keys("updated: 1900-01-01")),
    "duplicate-key": ("a.md", keys("title: A", "title: B")),
    "email-invalid": ("a.md", keys("author: {name: Jane, email: jane}")),
    "encoding": ("a.md", b"---\ntitle: \xe9\n---\n"),
    "file-empty": ("a.json", ""),
    "flag-invalid": ("a.md", keys("draft: perhaps")),
    "front-matter-missing": ("a.md", "Text."),
    "front-matter-not-keys": ("a.md", "---\n- a\n---\n"),
    "front-matter-too-long": ("a.md", keys(f"x: {'a ' * 40_000}")),
    "front-matter-unclosed": ("a.md", "---\ntitle: T\n"),
    "html-unclosed": ("a.html", "<title>A<body>"),
    "id-invalid": ("a.md", keys("id: a b")),
    "id-missing": (" .md", keys("title: T")),
    "json-syntax": ("a.json", '{"title": }'),
    "json-trailing": ("a.json", "{} x"),
    "key-invalid": ("a.md", keys("? [a]", ": b")),
    "key-misplaced": ("a.md", keys("author: {name: Jane, embargo: 2027-01-01}")),
    "key-unknown": ("a.md", keys("embagro: 2027-01-01")),
    "language-invalid": ("a.md", keys("language: English!")),
    "markup-unknown": ("a.json", '{"markup": "rtf"}'),
    "media-type-invalid": ("a.md", keys("image: {url: a, type: photo}")),
    "name-missing": ("a.md", keys("author: {email: jane@example.org}")),
    "nested-too-deeply": ("a.md", keys("a: " + "[" * 30)),
    "number-invalid": ("a.md", keys("image: {url: a, width: wide}")),
    "access-unknown": ("a.md", keys("access: sometimes")),
    "syndication-unknown": ("a.md", keys("syndication: {acme: some}")),
    "status-unknown": ("a.md", keys("status: lost")),
    "text-invalid": ("a.md", keys("title: [a]")),
    "title-and-body-missing": ("a.md", "---\ndate: 2026-02-11\n---\n"),
    "toml-syntax": ("a.md", "+++\ntitle\n+++\n"),
    "too-long": ("a.md", keys(f"section: {'x' * 400}")),
    "too-many": ("a.md", keys(f"tags: [{'a,' * 600}]")),
    "url-credentials": ("a.md", keys("url: https://user:secret@intranet.example/x")),
    "url-invalid": ("a.md", keys("url: javascript:x")),
    "url-missing": ("a.md", keys("audio: {title: A}")),
    "yaml-alias": ("a.md", keys("title: *a")),
    "yaml-documents": ("a.md", "---\ntitle: A\n--- # B\n---\n"),
    "yaml-syntax": ("a.md", keys("title: a: b")),
}
FAULTS_OF_FILES = {
    "file-not-regular",
    "file-too-large",
    "internal-error",
    "link-broken",
    "link-outside",
    "name-not-utf8",
    "unreadable",
}


@pytest.mark.parametrize("rule", FAULTS)
def test_every_fault_has_a_rule_and_says_what_to_write(rule: str) -> None:
    path, text = FAULTS[rule]
    made = parse(path, text if isinstance(text, bytes) else text.encode(), RULES)
    told = (
        [(made.rule, made.reason)] if isinstance(made, Rejected) else [(n.rule, n.reason) for n in made.notes]
    )
    assert [found for found, _ in told] == [rule]
    assert re.search("; (?:a story may have|begin|indent|it is|keep|move|put|save|write) ", told[0][1])


def test_faults_of_files_have_rules_too(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "outside.md")
    write(root, "large.md", "folder.md/a.md")
    (root / "nowhere.md").symlink_to(root / "gone.md")
    (root / "outside.md").symlink_to(tmp_path / "outside.md")
    os.mkfifo(root / "pipe.md")
    rules = LoadRules(max_file_bytes=1)
    made = [
        load(root, name, rules) for name in ("large.md", "nowhere.md", "outside.md", "pipe.md", "caf\\xe9.md")
    ]
    monkeypatch.setattr(story_file, "decoded", lambda _: 1 / 0)
    made += [parse("a.md", b"", rules), load(root, "folder.md", rules)]
    assert {found.rule for found in made if isinstance(found, Rejected)} == FAULTS_OF_FILES


def test_every_rule_is_met_by_a_fault_and_told_with_its_remedy_in_the_documentation() -> None:
    told = (Path(__file__).parents[2] / "docs" / "stories.md").read_text("utf-8")
    table = told.partition("### Rules")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `([a-z0-9-]+)` \| [^|]{10,} \| [^|]{10,} \|$", table, re.MULTILINE)
    of_the_refresher = {"id-duplicate", "story-unrenderable", "story-withdrawn"}
    assert {*FAULTS, *FAULTS_OF_FILES} == set(get_args(Rule))
    assert documented == sorted({*get_args(Rule), *of_the_refresher})


def test_what_is_found_through_a_link_says_so(root: Path, tmp_path: Path) -> None:
    write(root, "real/deep/a.md", "b.md")
    (root / "link").symlink_to(root / "real")
    (root / "c.md").symlink_to(root / "b.md")
    (root / "out").symlink_to(tmp_path)
    linked = {found.path: found.linked for found in walk(root)}
    assert linked == {
        "b.md": False,
        "c.md": True,
        "link/deep/a.md": True,
        "out": True,
        "real/deep/a.md": False,
    }
    for path, is_linked in linked.items():
        assert [found.linked for found in walk(root, path)] == [is_linked]
    assert [found.linked for found in walk(root, "link/deep")] == [True]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_says_so(root: Path) -> None:
    write(root, "shut/a.md", "b.md")
    (root / "shut").chmod(0)
    try:
        assert {found.path: found.unreadable for found in walk(root)} == {"b.md": False, "shut": True}
    finally:
        (root / "shut").chmod(0o700)


def test_folder_that_becomes_a_link_out_while_a_batch_is_read_is_refused(root: Path, tmp_path: Path) -> None:
    write(root, "a/x.md", "a/y.md")
    write(tmp_path / "outside", "y.md")
    reader = story_file.Reader(root, RULES)
    assert isinstance(reader.load("a/x.md"), Loaded)
    (root / "a").rename(tmp_path / "moved")
    (root / "a").symlink_to(tmp_path / "outside")
    refused = reader.load("a/y.md")
    assert isinstance(refused, Rejected)
    assert refused.rule == "link-outside"
