"""Slugs name labels of any script, and stay what they are."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedsvc.domain.slugs import humanized, section_path, slug


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Islamic State", "islamic-state"),
        ("  Arts & Culture ", "arts-culture"),
        ("Jane O'Neill", "jane-oneill"),
        ("C++", "c"),
        ("Économie", "économie"),
        ("Ελλάδα", "ελλάδα"),
        ("Сирия", "сирия"),
        ("हिन्दी", "हिन्दी"),
        ("தமிழ்", "தமிழ்"),
        ("العَرَبِيَّة", "العَرَبِيَّة"),
        ("東京 オリンピック", "東京-オリンピック"),
        ("２０２６", "2026"),
        ("🔥", "u1f525"),
        ("COVID-19", "covid-19"),
        ("", ""),
    ],
)
def test_label_has_its_slug(label: str, expected: str) -> None:
    assert slug(label) == expected


def test_words_that_differ_by_a_vowel_sign_have_slugs_of_their_own() -> None:
    assert len({slug(word) for word in ("किल", "कुल", "काल")}) == 3


@given(st.text(max_size=40))
def test_slug_of_a_slug_is_itself_and_fits_a_path(label: str) -> None:
    made = slug(label)
    assert slug(made) == made
    assert unicodedata.is_normalized("NFC", made)
    assert not set(made) & set("/ ?#%.\\\x00")
    assert bool(made) == bool(label.strip())


def test_section_is_a_path_whose_labels_are_as_written() -> None:
    assert section_path(" World / Middle East ") == ("world/middle-east", ("World", "Middle East"))
    assert section_path("world/middle-east") == ("world/middle-east", ("World", "Middle East"))
    assert section_path("") == ("", ())
    assert humanized("middle-east") == "Middle East"
