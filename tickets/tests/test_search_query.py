"""What people type, taken apart."""

import random

import pytest

from tests.thoroughness import amount
from tickets.search.query import MAX_SOUGHT, Sought, TagSought, parse


def word(term):
    return Sought((f"~{term}",))


def phrase(*words, **rest):
    return Sought(words, **rest)


@pytest.mark.parametrize(
    ("text", "groups", "without"),
    [
        ("reverse list", [[word("revers")], [word("list")]], []),
        ("How do I reverse a list?", [[word("revers")], [word("list")]], []),
        ("the", [[word("the")]], []),
        ("to be or not to be", [[word("to")], [word("be")], [word("or")], [word("not")]], []),
        ('"no such table"', [[phrase("no", "such", "table")]], []),
        ("“no such table”", [[phrase("no", "such", "table")]], []),
        ('"running"', [[phrase("running")]], []),
        ("celery -redis", [[word("celeri")]], [word("redi")]),
        ('-"no such" -redis', [], [phrase("no", "such"), word("redi")]),
        ("a-b - -- --help", [[phrase("a", "b", joined="~ab")], [word("help")]], []),
        ("one OR two three", [[word("one"), word("two")], [word("three")]], []),
        ("one or two", [[word("one")], [word("two")]], []),
        ("OR one OR", [[word("one")]], []),
        ("one OR -two three", [[word("one")], [word("three")]], [word("two")]),
        ("migrat*", [[phrase("migrat", is_prefix=True)]], []),
        ("a* *", [[word("a")]], []),
        ("django.db*", [[phrase("django", "db", is_prefix=True, joined="")]], []),
        ("node.js", [[phrase("node", "js", joined="~nodej")]], []),
        ("asyncio.run(main())", [[phrase("asyncio", "run", joined="~asynciorun")], [word("main")]], []),
        ("-asyncio.run(main())", [], [phrase("asyncio", "run", "main")]),
        ("tag:Python", [[TagSought("python")]], []),
        ('TAG:"Machine Learning" -tag:c++', [[TagSought("machine-learning")]], [TagSought("c++")]),
        ("tag:", [[word("tag")]], []),
        ('tag:"', [], []),
        ('tag:"" x', [[word("x")]], []),
        ("日本語", [[phrase("日本", "本語")]], []),
        ("語", [[phrase("語", is_prefix=True)]], []),
        ('"日本 python 語"', [[phrase("日本", "本", "python", "語", is_prefix=True)]], []),
        ('say "unbalanced words', [[word("say")], [phrase("unbalanced", "words")]], []),
        ('""', [], []),
        ('- " ( ) * && || ^~@ ', [], []),
        ("same same SAME", [[word("same")]], []),
    ],
)
def test_query_is_taken_apart(text, groups, without):
    query = parse(text)
    assert [list(group) for group in query.groups] == groups
    assert list(query.without) == without


@pytest.mark.parametrize("text", ["", " ", "\x00", "???", '"', "-", "OR", "tag:,", "\ud800", "***"])
def test_query_is_empty_where_nothing_is_asked_for(text):
    assert parse(text).is_empty


def test_query_of_negations_is_not_empty():
    assert not parse("-python").is_empty


@pytest.mark.parametrize(
    "unit", ['"', "-", "- ", "a ", "-a ", "OR ", "a OR ", "\x00", "tag:x ", "字", "a.", 'x" ', "*", "(", "\ud800"]
)
def test_a_megabyte_is_as_quick_and_bounded_as_a_line(unit):
    query = parse(unit * (1_000_000 // len(unit)))
    asked = [*sum(query.groups, ()), *query.without]
    assert len(asked) <= 2 * MAX_SOUGHT
    assert len(query.text) <= 1_000


def test_text_of_a_query_can_be_shown_and_stored():
    query = parse("a\ud800b\x00c “d”")
    assert query.text == 'a b c "d"'
    query.text.encode()


SYNTAX = [*"\"'()*:^{}[]+-~@&|!<>\\%_,;.#$/=?`", "\x00", "\ud800", "\udfff", "\U0010ffff", "\u202e", "\ufeff", "\u0e33"]
WORDS = [
    "NEAR",
    "AND",
    "OR",
    "NOT",
    "NEAR(",
    "tag:",
    'tag:"',
    "rowid",
    "title:",
    "~run",
    "@17",
    "a",
    "c++",
    "日本",
    "รัก",
]


def random_query(chance: random.Random) -> str:
    """Letters of every alphabet, and far more than usual of what the engines' own parsers react to."""
    pieces = []
    for _ in range(chance.randrange(1, 14)):
        kind = chance.random()
        if kind < 0.4:
            pieces.append(chance.choice(SYNTAX))
        elif kind < 0.7:
            pieces.append(chance.choice(WORDS))
        elif kind < 0.85:
            pieces.append(chr(chance.randrange(0x110000)))
        else:
            pieces.append(chr(chance.randrange(0x20, 0x250)))
        if chance.random() < 0.3:
            pieces.append(" ")
    return "".join(pieces)


def test_nothing_that_can_be_typed_is_an_error():
    chance = random.Random(20261121)
    for _ in range(amount(3_000, 20_000, 200_000)):
        query = parse(random_query(chance))
        for sought in [*sum(query.groups, ()), *query.without]:
            if isinstance(sought, Sought):
                assert all(sought.words)
                assert not any(set(word) & set(" \"'\\\x00()*") for word in sought.words)
