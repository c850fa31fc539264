"""What is kept stays within its bytes, and what was used last stays longest."""

from hypothesis import given
from hypothesis import strategies as st

from feedsvc.util.lru import ByteLRU


@given(
    st.integers(0, 2_000),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 900), st.booleans()), max_size=40),
)
def test_never_more_than_its_bytes_and_never_a_wrong_value(
    most: int, steps: list[tuple[int, int, bool]]
) -> None:
    kept: ByteLRU[int, int] = ByteLRU(most)
    last: dict[int, int] = {}
    for key, size, putting in steps:
        if putting:
            kept.put(key, size, size)
            last[key] = size
        else:
            assert kept.get(key) in (None, last.get(key))
        assert 0 <= kept.size <= most


def test_what_was_used_longest_ago_goes_first() -> None:
    kept: ByteLRU[str, str] = ByteLRU(1_000)
    for name in "abc":
        kept.put(name, name, 100)
    assert kept.get("a") == "a"
    kept.put("d", "d", 100)
    assert [kept.get(name) for name in "abcd"] == ["a", None, "c", "d"]
