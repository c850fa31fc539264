"""`feedsvc check` names each of many kinds of fault with file, line, rule and remedy, and nothing else."""

from pathlib import Path

import pytest

from feedsvc.domain.model import CustomFeed, FeedSettings, Profile, Site
from feedsvc.domain.selection import Rules
from feedsvc.lint.check import Finding, check
from feedsvc.loading.rules import LoadRules

DATE = "date: 2026-01-02"
# What is wrong in each file, beside a title, a date and a body: its text, the line and the rule.
FAULTS: dict[str, tuple[str, int, str]] = {
    "front-matter-missing.md": ("Just text.\n", 1, "front-matter-missing"),
    "front-matter-unclosed.md": (f"---\ntitle: T\n{DATE}\nText.\n", 1, "front-matter-unclosed"),
    "yaml-syntax.md": (f"---\ntitle: 'T\n{DATE}\n---\nText.\n", 2, "yaml-syntax"),
    "yaml-alias.md": (f"---\ntitle: *nobody\n{DATE}\n---\nText.\n", 2, "yaml-alias"),
    "toml-syntax.md": ('+++\ntitle = "T"\ndate = 2026-01-\n+++\nText.\n', 3, "toml-syntax"),
    "json-syntax.json": ('{"title": "T",\n"date": }\n', 2, "json-syntax"),
    "json-trailing.json": ('{"title": "T", "date": "2026-01-02", "body": "x"}\nmore\n', 2, "json-trailing"),
    "duplicate-key.md": (f"---\ntitle: T\n{DATE}\ntitle: U\n---\nText.\n", 4, "duplicate-key"),
    "file-empty.json": ("", 1, "file-empty"),
    "date-missing.md": ("---\ntitle: T\n---\nText.\n", 1, "date-missing"),
    "date-invalid.md": ("---\ntitle: T\ndate: yesterday\n---\nText.\n", 3, "date-invalid"),
    "date-too-early.md": ("---\ntitle: T\ndate: 1901-01-01\n---\nText.\n", 3, "date-too-early"),
    "embargo.md": (f"---\ntitle: T\n{DATE}\nembargo: soon\n---\nText.\n", 4, "date-invalid"),
    "flag-invalid.md": (f"---\ntitle: T\n{DATE}\ndraft: perhaps\n---\nText.\n", 4, "flag-invalid"),
    "status-unknown.md": (f"---\ntitle: T\n{DATE}\nstatus: lost\n---\nText.\n", 4, "status-unknown"),
    "url-invalid.md": (f"---\ntitle: T\n{DATE}\nurl: javascript:x\n---\nText.\n", 4, "url-invalid"),
    "id-invalid.md": (f"---\ntitle: T\n{DATE}\nid: 'a b'\n---\nText.\n", 4, "id-invalid"),
    "number-invalid.md": (
        f"---\ntitle: T\n{DATE}\nimages:\n- url: /a.jpg\n  alt: x\n  width: wide\n---\nText.\n",
        4,
        "number-invalid",
    ),
    "language-invalid.md": (f"---\ntitle: T\n{DATE}\nlanguage: Dutch!\n---\nText.\n", 4, "language-invalid"),
    "title-and-body-missing.md": (f"---\n{DATE}\n---\n", 1, "title-and-body-missing"),
    "character-removed.md": (f"---\ntitle: T\n{DATE}\n---\nA bell \x07.\n", 5, "character-removed"),
    "cdata-end.md": (f"---\ntitle: T\n{DATE}\n---\nAn end ]]> of it.\n", 5, "cdata-end"),
    "title-missing.md": (f"---\n{DATE}\n---\nText.\n", 1, "title-missing"),
    "content-missing.md": (f"---\ntitle: T\n{DATE}\n---\n", 1, "content-missing"),
    "updated-future.md": (f"---\ntitle: T\n{DATE}\nupdated: 2098-01-01\n---\nText.\n", 4, "updated-future"),
    "expires-early.md": (f"---\ntitle: T\n{DATE}\nexpires: 2025-01-01\n---\nText.\n", 4, "expires-early"),
    "enclosure-length.md": (f"---\ntitle: T\n{DATE}\naudio: /a.mp3\n---\nText.\n", 4, "enclosure-length"),
    "enclosure-type.md": (
        f"---\ntitle: T\n{DATE}\nenclosure: {{url: /a, length: 9}}\n---\nText.\n",
        4,
        "enclosure-type",
    ),
    "image-alt.md": (f"---\ntitle: T\n{DATE}\nimage: /a.jpg\n---\nText.\n", 4, "image-alt"),
    "withdrawal-unexplained.md": (
        f"---\ntitle: T\n{DATE}\nstatus: withdrawn\n---\nText.\n",
        4,
        "withdrawal-unexplained",
    ),
    "url-credentials.md": (
        f"---\ntitle: T\n{DATE}\n---\nText.\n\n[a](https://u:p@h.example/).\n",
        7,
        "url-credentials",
    ),
    "id-duplicate-1.md": (f"---\ntitle: T\n{DATE}\nid: same\n---\nText.\n", 0, ""),
    "id-duplicate-2.md": (f"---\ntitle: T\n{DATE}\nid: same\n---\nText.\n", 1, "id-duplicate"),
    "url-duplicate-1.md": (f"---\ntitle: T\n{DATE}\nurl: /same\n---\nText.\n", 0, ""),
    "url-duplicate-2.md": (f"---\ntitle: T\n{DATE}\nurl: /same\n---\nText.\n", 4, "url-duplicate"),
    "profile-image.md": (f"---\ntitle: T\n{DATE}\nsection: cards\n---\nText.\n", 1, "profile-image"),
    "good.md": (f"---\ntitle: T\n{DATE}\n---\nText.\n", 0, ""),
}


@pytest.fixture
def rules(site: Site) -> Rules:
    cards = CustomFeed("cards", include_sections=("cards",))
    profile = Profile("cards", required=("image",))
    return Rules(site, customs=(cards,), by_key={"custom/cards": FeedSettings(profile=profile)})


def test_thirty_kinds_of_fault_are_named_with_file_line_rule_and_remedy(tmp_path: Path, rules: Rules) -> None:
    root = tmp_path / "content"
    root.mkdir()
    for name, (text, _, _) in FAULTS.items():
        (root / name).write_text(text, "utf-8")
    (root / "encoding.md").write_bytes(f"---\ntitle: T\n{DATE}\n---\n\ncaf\xe9\n".encode("latin-1"))
    (root / "file-too-large.md").write_text("x" * 100_001)
    (root / "link-outside.md").symlink_to(tmp_path)
    expected = {(f"content/{name}", line, rule) for name, (_, line, rule) in FAULTS.items() if rule}
    expected |= {
        ("content/encoding.md", 6, "encoding"),
        ("content/file-too-large.md", 1, "file-too-large"),
        ("content/link-outside.md", 1, "link-outside"),
    }
    findings = check(root, LoadRules(max_file_bytes=100_000), rules)
    assert {finding[:3] for finding in findings} == expected
    assert len({rule for _, _, rule in expected}) >= 30
    for finding in findings:
        assert len(finding.reason.split("; ")) >= 2, f"{finding} says not what to do"


def test_good_stories_have_no_finding(tmp_path: Path, rules: Rules) -> None:
    root = tmp_path / "content"
    root.mkdir()
    (root / "good.md").write_text(FAULTS["good.md"][0])
    assert check(root, LoadRules(), rules) == []


def test_missing_folder_is_a_finding(tmp_path: Path, rules: Rules) -> None:
    (finding,) = check(tmp_path / "none", LoadRules(), rules)
    assert finding.rule == "folder-missing"


def test_finding_is_a_line_that_editors_can_jump_to() -> None:
    finding = Finding("content/a.md", 4, "date-invalid", "date: 'x' is not a date; write 2026-02-11")
    assert str(finding) == "content/a.md:4: date-invalid: date: 'x' is not a date; write 2026-02-11"
