"""A store made anew from the same files publishes the same bytes as one that saw every change.

But for what no file tells any more: who could have had a story that is held back now, that a file which is
gone had withdrawn its story, an earlier reason or section of a withdrawn story, and feeds without a story.
"""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from feedsvc.domain.model import Representation
from feedsvc.domain.rights import Audience, Terms
from feedsvc.domain.selection import Partner, Rules
from feedsvc.store.engine import Store
from tests.conftest import Clock
from tests.refresh.test_refresher import Newsroom
from tests.stories import NOON

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
PATHS = ("a.md", "world/b.md", "sport/c.md")

Step = tuple[str, str, str, float]
"""What is done to which file, how it is dated, and how many hours pass before."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["write", "write", "expiring", "embargoed", "draft", "withdraw", "withdraw", "restore", "delete"]
        ),
        st.sampled_from(PATHS),
        st.sampled_from(["", "", "updated", "withdrawn", "copied"]),
        st.sampled_from([0.0, 0.0001, 0.5, 2.0, 30.0, 24.0 * 31]),
    ),
    max_size=8,
)


class Desk:
    """Writes story files as an author does: one edit after the other, each of what the file says."""

    def __init__(self, newsroom: Newsroom) -> None:
        self.newsroom = newsroom
        self.fields: dict[str, dict[str, str]] = {}
        self.bodies: dict[str, int] = {}

    def do(self, step: str, path: str, dated: str) -> None:
        if step == "draft":
            self._hold_back(path, dated)
        else:
            self._edit(step, path, dated)

    def _hold_back(self, path: str, dated: str) -> None:
        """Make a draft of a story that has expired: of another no file tells who could have had it."""
        fields, now = self.fields.get(path), self.newsroom.clock.now.isoformat()
        if fields is not None and fields.get("status") != "withdrawn" and fields.get("expires", now) < now:
            self._save(path, fields | {"status": "draft"}, dated)

    def _edit(self, step: str, path: str, dated: str) -> None:
        now = self.newsroom.clock.now
        fields = self.fields.get(path)
        is_withdrawn = fields is not None and fields.get("status") == "withdrawn"
        if step == "delete":
            # What a file that is gone had said is told by the store alone.
            if fields is not None and not is_withdrawn:
                (self.newsroom.root / path).unlink()
                del self.fields[path]
            return
        if step in ("write", "expiring", "embargoed"):
            if is_withdrawn:
                return
            if fields is None:
                fields = {"date": (now - HOUR).isoformat(), "section": path.rpartition("/")[0]}
                # An end or a beginning that is changed later is a revocation.
                if step == "expiring":
                    fields["expires"] = (now + HOUR).isoformat()
                if step == "embargoed":
                    fields["embargo"] = (now + HOUR).isoformat()
            self.bodies[path] = self.bodies.get(path, 0) + 1
            if dated == "updated":
                fields["updated"] = now.isoformat()
        elif fields is None or (step == "withdraw") is is_withdrawn:
            return
        elif step == "withdraw":
            fields |= {"status": "withdrawn", "reason": "It was not so"}
            if dated in ("updated", "withdrawn"):
                fields[dated] = now.isoformat()
        else:
            fields = {
                key: value for key, value in fields.items() if key not in ("status", "reason", "withdrawn")
            }
        self._save(path, fields, dated)

    def _save(self, path: str, fields: dict[str, str], dated: str) -> None:
        now = self.newsroom.clock.now
        self.fields[path] = fields
        number = self.bodies[path]
        # Never of the same size: one of the same size and time would not be read again.
        file = self.newsroom.write(path, f"Body {number} {'.' * number}", **fields)
        # A copy keeps the time of its source, which may have lain somewhere for a while.
        stamp = (now - (HOUR / 4 if dated == "copied" else timedelta())).timestamp()
        os.utime(file, (stamp, stamp))


def bodies(published: dict[str, Representation]) -> dict[str, bytes]:
    return {path: one.body for path, one in published.items()}


def check_rebuilt(newsroom: Newsroom, live: dict[str, bytes], file: Path) -> None:
    store = Store(f"sqlite:///{file}")
    anew = bodies(Newsroom(store, newsroom.root, newsroom.rules, newsroom.clock).run())
    store.close()
    assert {path: live.get(path) for path in anew} == anew
    for path in live.keys() - anew.keys():
        assert b"Body" not in live[path]  # it lost its last story, and stays


def with_partner(rules: Rules) -> Rules:
    """Rules by which a partner has stories two hours later than everybody."""
    audience = Audience("acme", ("all",), delay=2 * HOUR)
    return Rules(site=rules.site, partners=(Partner(audience, Terms("acme")),))


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(steps=STEPS, is_licensed=st.booleans())
@example(steps=[("expiring", "a.md", "", 0.0), ("withdraw", "a.md", "", 2.0)], is_licensed=True)
@example(steps=[("expiring", "a.md", "", 0.0), ("withdraw", "a.md", "withdrawn", 2.0)], is_licensed=False)
@example(
    steps=[("expiring", "a.md", "", 0.0), ("draft", "a.md", "", 2.0), ("withdraw", "a.md", "", 0.5)],
    is_licensed=False,
)
@example(steps=[("write", "a.md", "updated", 0.0), ("withdraw", "a.md", "", 2.0)], is_licensed=False)
@example(steps=[("write", "a.md", "updated", 0.0), ("withdraw", "a.md", "updated", 2.0)], is_licensed=False)
@example(steps=[("write", "a.md", "updated", 0.0), ("withdraw", "a.md", "", 0.0)], is_licensed=False)
@example(steps=[("embargoed", "a.md", "updated", 0.0), ("withdraw", "a.md", "", 30.0)], is_licensed=False)
@example(
    steps=[("expiring", "a.md", "", 0.0), ("withdraw", "a.md", "", 0.5), ("restore", "a.md", "", 9.0)],
    is_licensed=False,
)
def test_live_store_equals_a_rebuilt_one_byte_for_byte(
    steps: list[Step], is_licensed: bool, tmp_path_factory: pytest.TempPathFactory, rules: Rules
) -> None:
    """Stories are published, edited, embargoed, expire, are withdrawn, restored and deleted, in any order."""
    folder = tmp_path_factory.mktemp("newsroom")
    rules = with_partner(rules) if is_licensed else rules
    newsroom = Newsroom(Store(f"sqlite:///{folder}/a.db"), folder / "content", rules, Clock(NOON))
    newsroom.write("kept.md")
    desk = Desk(newsroom)
    for number, (step, path, dated, hours) in enumerate(steps):
        newsroom.clock.forward(hours=hours)
        desk.do(step, path, dated)
        live = bodies(newsroom.run())
        if number == len(steps) - 1 or step in ("withdraw", "restore"):
            newsroom.refresher.prune()
            assert bodies(newsroom.run()) == live
            check_rebuilt(newsroom, live, folder / f"{number}.db")
    newsroom.store.close()
