"""JSON in which a key stands twice, or that is far too much, is told apart from JSON that can be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedsvc.domain import json_text
from feedsvc.domain.json_text import MOST_VALUES, DuplicateKeyError, TooManyValuesError


@pytest.mark.parametrize(
    ("text", "key", "pointer"),
    [
        ('{"a": 1, "a": 1}', "a", "/a"),
        ('{"a": 1, "\\u0061": 2}', "a", "/a"),
        (' {"x": [{"b": 1}, {"b": 1, "c": 2, "b": 3}]}', "b", "/x/1/b"),
        ('{"x/y": {"~": {"b": 1, "b": 3}}}', "b", "/x~1y/~0/b"),
        ('[{"": 1, "": 2}]', "", "/0/"),
    ],
)
def test_key_that_stands_twice_is_told_with_its_place(text: str, key: str, pointer: str) -> None:
    with pytest.raises(DuplicateKeyError) as refused:
        json_text.refuse_unfit(text)
    assert (refused.value.key, refused.value.pointer) == (key, pointer)


@pytest.mark.parametrize("text", ["", "{", '{"a": 1, "a": 1', "[" * 20_000, '{"a": 1}', '{"a": {"a": 1}}'])
def test_what_is_no_json_or_good_json_is_left_to_the_parser(text: str) -> None:
    json_text.refuse_unfit(text)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=3), some, max_size=4),
)


@given(_values, st.text(max_size=3))
def test_what_is_read_is_what_was_written_and_where_it_ends(value: object, after: str) -> None:
    text = json.dumps(value)
    assert json_text.decoded(f"{text} {after}") == (value, len(text))


def test_values_are_counted_outside_of_texts() -> None:
    json_text.refuse_unfit(json.dumps({"body": 'a, [b], {c} \\" ' * MOST_VALUES}))
    for many in ("1,", "{},", "[],", '"a",'):
        with pytest.raises(TooManyValuesError):
            json_text.refuse_unfit(f'{{"body": "a, b", "x": [{many * (MOST_VALUES + 1)}1]}}')
