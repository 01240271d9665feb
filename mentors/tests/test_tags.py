import unicodedata

import pytest
from django.core.exceptions import ValidationError
from hypothesis import example, given
from hypothesis import strategies as st

from mentors.tags import MAX_LENGTH, has_hidden_characters, names_in, normalise


@pytest.mark.parametrize(
    ("typed", "spelling"),
    [
        ("Python", "python"),
        ("  Python ", "python"),
        ("C#", "c#"),
        ("C++", "c++"),
        ("c", "c"),
        (".NET", ".net"),
        ("Node.js", "node.js"),
        ("machine learning", "machine-learning"),
        ("machine \t learning", "machine-learning"),
        ("machine-learning", "machine-learning"),
        ("Ｐｙｔｈｏｎ", "python"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Ångström", "ångström"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("机器学习", "机器学习"),
        ("non\u00a0breaking", "non-breaking"),
    ],
)
def test_normalise_gives_the_one_spelling(typed, spelling):
    assert normalise(typed) == spelling


def test_normalise_keeps_what_distinguishes():
    assert len({normalise(name) for name in ("C", "C#", "C++", ".net", "net", "node.js", "nodejs", "f#", "f*")}) == 9


@pytest.mark.parametrize("typed", ["", "   ", "\u3000", "a,b", "x" * 51, "ß" * 26, "x" * 1_000_000, "ﷺ" * 1000])
def test_normalise_refuses_what_is_no_tag(typed):
    with pytest.raises(ValidationError):
        normalise(typed)


@pytest.mark.parametrize(
    "hidden", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u200b", "\u202e", "\ufeff", "\ud800", "\u00ad"]
)
def test_normalise_refuses_characters_that_nobody_sees(hidden):
    with pytest.raises(ValidationError, match="cannot be seen"):
        normalise(f"py{hidden}thon")


@given(st.text(max_size=60))
@example("\u1e9e")
@example("\u0345a")
@example("¨a¨")
def test_normalise_is_idempotent_and_keeps_its_promises(typed):
    try:
        spelling = normalise(typed)
    except ValidationError:
        return
    assert normalise(spelling) == spelling
    assert 0 < len(spelling) <= MAX_LENGTH
    assert not any(character.isspace() for character in spelling)
    assert unicodedata.is_normalized("NFKC", spelling)
    assert spelling == unicodedata.normalize("NFKC", spelling.casefold())
    assert not has_hidden_characters(spelling)
    assert "," not in spelling


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20))
def test_normalise_ignores_case_and_outer_space(typed):
    if "," not in typed:
        assert normalise(f" {typed.upper()}  ") == normalise(typed.lower())


def test_names_in_separates_at_commas_and_keeps_each_once():
    assert names_in(" Python, django ,, PYTHON;c++\nweb dev", at_most=5) == ["python", "django", "c++", "web-dev"]
    assert names_in("", at_most=5) == []


def test_names_in_counts():
    with pytest.raises(ValidationError, match="at most 2 tags"):
        names_in("a, b, c", at_most=2)
