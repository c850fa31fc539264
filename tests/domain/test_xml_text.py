"""Whatever a text holds, what feeds forbid is taken out of it, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from feedsvc.domain.xml_text import ILLEGAL, may_hold_illegal, without_illegal

_EDGES = (
    "\x00\x08\t\n\r\x1f\x7f\x80\x84\x85\x86\x9f\xa0ÂéД"
    "\ud800\udfff\ufdcf\ufdd0\ufdef\ufdf0\ufeff\ufffc\ufffd\ufffe"
)
_texts = st.text(
    st.characters() | st.sampled_from([*_EDGES, "\U0001fffe", "\U0001ffff", "\U00020000", "\U0010ffff"])
)


@given(_texts)
def test_just_the_illegal_characters_are_taken_out(text: str) -> None:
    assert without_illegal(text) == ILLEGAL.sub("", text.replace("\x85", " "))


@given(
    st.text(
        st.characters(exclude_categories=["Cs"]) | st.sampled_from([*"\x7f\x80\x9f\ufdd0\ufffd\U0001fffe"])
    )
)
def test_no_text_with_an_illegal_character_passes_the_look_at_its_bytes(text: str) -> None:
    assert may_hold_illegal(text.encode()) or not ILLEGAL.search(text)
