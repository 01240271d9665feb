"""What a text becomes: the words that stand in the index, and what finds each."""

import pytest

from tickets.search import analyser
from tickets.search.analyser import words


def stream(text):
    return [word.text for word in words(analyser.readable(text))]


def terms(text):
    found = set()
    for word in words(analyser.readable(text)):
        found |= set(word.terms)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asyncio.run(main())", ["asyncio", "run", "main"]),
        ("django.db.utils.OperationalError: no", ["django", "db", "utils", "operationalerror", "no"]),
        ("C++ and c++17, C# F# .NET", ["c++", "and", "c++", "17", "c#", "f#", ".net"]),
        ("Is it C++? No, C#.", ["is", "it", "c++", "no", "c#"]),
        ("use '.NET' or \"\".join or f().x, .env", ["use", ".net", "or", "join", "or", "f", "x", ".env"]),
        ("get_object_or_404 __init__", ["get", "object", "or", "404", "init"]),
        ("page#anchor, #tag, i++;", ["page", "anchor", "tag", "i++"]),
        ("end. Next... 3.11", ["end", "next", "3", "11"]),
        ("Don’t e-mail me", ["don", "t", "e", "mail", "me"]),
        ("ÅNGSTRÖM naïve Straße Ёлка Ωμέγα", ["angstrom", "naive", "strasse", "елка", "ωμεγα"]),
        ("A\u030angstro\u0308m", ["angstrom"]),
        ("ﬁle ＡＢＣ ①", ["file", "abc", "1"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("مُحَمَّد", ["محمد"]),
        ("日本語", ["日本", "本語", "語"]),
        ("python入門", ["python", "入門", "門"]),
        ("สวัสดี", ["สวั", "วัส", "สดี", "ดี"]),
        ("한국어", ["한국", "국어", "어"]),
        ("🐍 ❤️ 👩‍💻 👍🏽", ["🐍", "❤", "👩", "💻", "👍"]),
        ("x\x00y\ud800z\u200b\u00ad", ["x", "y", "z"]),
        ("inter\u00adnational zero\u200bwidth", ["international", "zerowidth"]),
        ("", []),
        ("+++ --- ... '' `` _ ()", []),
        ("\u0301\u0e31", []),
    ],
)
def test_text_is_split_into_words(text, expected):
    assert stream(text) == expected


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("asyncio", "asyncio.run(main())"),
        ("OperationalError", "django.db.utils.OperationalError"),
        ("operationalerror", "django.db.utils.OperationalError"),
        ("error", "OperationalError"),
        ("response", "HTTPResponse2"),
        ("nodejs", "node.js"),
        ("email", "e-mail"),
        ("dont", "don't"),
        ("net", ".NET"),
        ("testing", "I tested it"),
        ("databases", "DATABASE"),
        ("café", "CAFE"),
        ("python", "python3"),
    ],
)
def test_a_word_finds_what_people_mean(query, text):
    (word,) = words(query)
    assert word.term in terms(text)


@pytest.mark.parametrize(
    ("query", "text"),
    [("c", "c++"), ("c", "c#"), ("c++", "c"), ("c++", "c#"), (".net", "net"), ("java", "javascript"), ("in", "inn")],
)
def test_a_word_does_not_find_another(query, text):
    (word,) = words(query)
    assert word.term not in terms(text)


@pytest.mark.parametrize("text", ["Straße ＦＯＯ.bar ﬁle", "日本語 test", "python入門 c++", "सर्वर error", "e\u0301a"])
def test_words_say_where_they_stand(text):
    text = analyser.readable(text)
    for word in words(text):
        assert 0 <= word.start < word.end <= len(text)
        assert analyser.fold(text[word.start : word.end]) == word.text


@pytest.mark.parametrize("unit", ["a", "a.", "e\u0301", "字", "aB", "c++", "'", "\u200b", "#", "\ud800", "ก็"])
def test_no_word_is_longer_than_the_index_takes(unit):
    for word in words(unit * 5_000, 3_000):
        assert 0 < len(word.text) <= analyser.MAX_WORD
        assert len(word.term) <= analyser.MAX_WORD + 1
        assert word.end <= 3_000


def test_no_word_contains_what_the_engines_use(tmp_path):
    everything = " ".join(chr(code) + "a" + chr(code) for code in range(0x3000))
    for word in words(everything):
        assert not set(word.text) & set(" \t\n\r\x00\"'\\()*:^{}~@<>&|!-_,;=$%/`[]?")
        assert word.is_letters or word.term.count("~") == 1


def test_stem_of_a_word_begins_as_the_word_does():
    """Excerpts look at the stems of no other words."""
    text = (
        "dying lies tying skies idly gently ugly early only singly news tries trying yellow yields eyes happily boys by"
    )
    for word in words(text):
        assert analyser.beginning(word.term[1:]) == analyser.beginning(word.text), word.text
