import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentors.models import MentorProfile
from mentors.search import fold, search_text, words
from mentors.tests.factories import MentorProfileFactory


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Helps with C++, C# and .NET.", ["helps", "with", "c++", "c#", "and", ".net"]),
        ("Node.js (advanced)!", ["node.js", "advanced"]),
        ("Jean-Pierre O’Brien", ["jean-pierre", "o’brien"]),
        ("Ångström ÉLODIE", ["angstrom", "elodie"]),
        ("Straße", ["strasse"]),
        ("हिन्दी", ["हिन्दी"]),
        ("--- !!! ...", []),
        ("nul\x00byte", ["nul", "byte"]),
    ],
)
def test_words(text, found):
    assert words(text) == [fold(word) for word in found]


@given(st.text(max_size=80))
def test_every_word_of_a_text_finds_the_text(text):
    stored = search_text(text)
    for word in words(text):
        assert f" {word}" in stored
        assert words(word) == [word]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "angstrom",
        "ÅNGSTRÖM",
        "Ångs",
        "tomas ång",
        "ёлк",
        "ЁЛКА",
        "σισυφος",
        "ΣΊΣΥΦΟΣ",
        "pierre",
        "Jean-Pierre",
        "太郎",
        "c++",
        "js",
        "py",
        "100%",
        "teaches REGULAR",
    ],
)
def test_the_same_words_find_the_same_mentor_on_every_database(query):
    found = MentorProfileFactory(
        user__name="Tomás Jean-Pierre Ångström",
        headline="Ёлка, Σίσυφος, 山田太郎",
        bio="Teaches regular expressions. 100% patience.",
        expertise=["c++", "node.js", "python"],
    )
    MentorProfileFactory(user__name="Somebody Else", headline="d", expertise=["c"])
    assert list(MentorProfile.objects.matching(query)) == [found]


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["ython", "tomas meyer", "c#", "%", "_", "\\", "to%s"])
def test_what_is_not_there_is_not_found(query):
    MentorProfileFactory(user__name="Tomás Ångström", headline="h", expertise=["c++", "python"])
    found = MentorProfile.objects.matching(query)
    assert not words(query) or not found.exists()
