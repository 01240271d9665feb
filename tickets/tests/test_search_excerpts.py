"""Marked titles and excerpts: nothing of a text becomes markup, no sign is torn apart."""

import random
import re

import pytest

from tickets.search.excerpts import LENGTH, Marker, excerpt, marked
from tickets.search.query import parse

MARKUP = re.compile(r"</?mark>")


def show(text, query):
    return excerpt([text], Marker(parse(query)))


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("asyncio.run(main())", "asyncio.run", "<mark>asyncio.run</mark>(main())"),
        ("I was running tests", "run test", "I was <mark>running</mark> <mark>tests</mark>"),
        ("no such table, no table", '"such table"', "no <mark>such table</mark>, no table"),
        ("OperationalError", "error", "<mark>OperationalError</mark>"),
        ("C++ is not C", "c++", "<mark>C++</mark> is not C"),
        ("C++ is not C", "c", "C++ is not <mark>C</mark>"),
        ("a < b && c > d", "b", "a &lt; <mark>b</mark> &amp;&amp; c &gt; d"),
        ("migrations", "migr*", "<mark>migrations</mark>"),
        ("日本語です", "本語", "日<mark>本語</mark>です"),
        ("日本語です", "本", "日<mark>本</mark>語です"),
        ("สวัสดีครับ", "สดี", "สวั<mark>สดี</mark>ครับ"),
        ("ein CAFE\u0301 hier", "cafe", "ein <mark>CAFÉ</mark> hier"),
        ("say 🐍!", "🐍", "say <mark>🐍</mark>!"),
        ("```python\nimport os\n```\n# Heading\n> quoted", "os", "import <mark>os</mark> Heading quoted"),
        ("a needle", "-needle", "a needle"),
        ("a needle", "tag:needle", "a needle"),
        ("needle <b>", "needle OR b", "<mark>needle</mark> &lt;<mark>b</mark>&gt;"),
        ("email me", "e-mail", "<mark>email</mark> me"),
        ("", "x", ""),
    ],
)
def test_words_asked_for_are_marked(text, query, expected):
    assert show(text, query) == expected


def test_densest_stretch_is_shown():
    text = "alpha " + "x " * 300 + "alpha beta gamma " + "x " * 300
    shown = show(text, "alpha beta gamma")
    assert "<mark>alpha</mark> <mark>beta</mark> <mark>gamma</mark>" in shown


def test_second_text_is_shown_where_it_has_more():
    shown = excerpt(["alpha and more", "both alpha and beta"], Marker(parse("alpha beta")))
    assert shown == "both <mark>alpha</mark> and <mark>beta</mark>"


def test_long_text_without_spaces_is_cut_between_signs():
    family = "👨‍👩‍👧‍👦"
    for filler in range(12):
        shown = show("字" * filler + family * 200 + "needle" + family * 200, "needle")
        plain = MARKUP.sub("", shown).strip("… ")
        assert not plain.startswith(("\u200d", "\ufe0f"))
        assert not plain.endswith("\u200d")


@pytest.mark.parametrize("seed", range(5))
def test_nothing_of_a_text_becomes_markup(seed):
    chance = random.Random(seed)
    pieces = ["<script>", "</mark>", "<mark>", "&lt;", '"', "'", "needle", "pin", "日本", "\u0301", "\u200d", "`", " "]
    for _ in range(200):
        text = "".join(chance.choices([*pieces, chr(chance.randrange(0xD800))], k=chance.randrange(1, 300)))
        shown = show(text, 'needle "pin needle" 日本 scr* mark') + marked(text, Marker(parse("needle script lt")))
        assert not set(MARKUP.sub("", shown)) & set("<>\"'")
        opened = 0
        for tag in MARKUP.findall(shown):
            opened += 1 if tag == "<mark>" else -1
            assert opened in (0, 1)
        assert opened == 0
        assert len(show(text, "needle")) < 12 * LENGTH
