import html
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils import translation
from django.utils.safestring import SafeString
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mentorbook import highlighting, markdown
from mentorbook.markdown import PARSER, REMEMBERED, SANITIZER, plain, render, render_each
from mentorbook.remembering import Remembered
from mentorbook.tests.injections import CORPUS, HOOKS, SCRIPTS
from mentorbook.tests.pathological import CASES, CHARACTERS

PROSE_CSS = Path(__file__).resolve().parents[2] / "static" / "css" / "prose.css"

REL = "nofollow noopener noreferrer ugc"
FRAME = {"tabindex": "0", "role": "group"}
TAGS = {
    *("p", "br", "hr", "blockquote", "ul", "ol", "li", "h2", "h3", "h4", "h5", "h6", "em", "strong", "s", "a"),
    *("code", "pre", "span", "div", "table", "thead", "tbody", "tr", "th", "td"),
}
VOID = {"br", "hr"}
CELLS = {"cell-left", "cell-center", "cell-right"}


def is_allowed(tag, name, value):
    """The whole of what may be in a text, said a second time and in another way than the sanitiser says it."""
    match tag, name:
        case "a", "href":
            return re.match(r"(https?://[^/]|mailto:.)", value, re.IGNORECASE) and not re.search(r"[\s<>\"']", value)
        case "a", "rel":
            return value == REL
        case "a", "title":
            return True  # a text, whatever it says
        case "ol", "start":
            return value.isdecimal()
        case _, "class" if not value:
            return True  # what is left of one that was taken away
        case "span", "class":
            return re.fullmatch("[a-z]{1,2}", value) and value in highlighting.CLASSES.values()
        case "div", "class":
            return value in ("code-block", "table-block")
        case (("td" | "th"), "class"):
            return value in CELLS
        case (("pre" | "div"), ("tabindex" | "role")):
            return value == FRAME[name]
        case "pre", "aria-label":
            return value == "Code" or value.removeprefix("Code, ") in highlighting.LANGUAGES.values()
        case "div", "aria-label":
            return value == "Table"
    return False


class Reader(HTMLParser):
    """What a browser would make of the HTML: its tags with their attributes, and its text."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.tags, self.words, self.wrong, self.open = [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == [], "tags are left open"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in TAGS:
            self.wrong.append(tag)
        self.wrong += [(tag, name, value) for name, value in attributes if not is_allowed(tag, name, value or "")]
        if len(attributes) != len(dict(attributes)):
            self.wrong.append((tag, "an attribute twice"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open[-1:] == [tag], "tags are closed in another order"
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        self.wrong.append(("comment", data))

    handle_decl = handle_pi = unknown_decl = handle_comment

    @property
    def text(self):
        return "".join(self.words)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def read(text, **options):
    reader = Reader(render(text, **options))
    assert reader.wrong == []
    return reader


# --- Nothing becomes live ---------------------------------------------------------------------------------------------


def test_no_injection_of_the_corpus_becomes_live():
    assert len(CORPUS) > 2000
    wrong = {text: Reader(render(text)).wrong for text in CORPUS}
    assert {text: found for text, found in wrong.items() if found} == {}


@pytest.mark.parametrize("payload", SCRIPTS + HOOKS)
def test_raw_html_is_shown_as_it_was_typed(payload):
    payload = payload.replace("\n", " ")
    typed = html.unescape(re.sub("[\x00\ufeff]", "", payload))
    assert re.sub(r"\s+", "", read(f"`` {payload} ``").text) == re.sub(
        r"\s+", "", typed if "&" not in payload else payload
    )


@pytest.mark.parametrize("payload", SCRIPTS + HOOKS)
def test_the_allow_list_alone_lets_nothing_live_through(payload):
    """The second gate, without the first: as if the parser let HTML pass."""
    assert Reader(SANITIZER.clean(payload)).wrong == []


def test_the_check_of_these_tests_sees_what_is_wrong():
    for source in (
        "<script>",
        '<p class="k">',
        '<a href="javascript:x">',
        "<b hx-get=x>",
        '<span class="btn">',
        "<!-- -->",
    ):
        with pytest.raises(AssertionError):
            assert Reader(source + f"</{source[1:].split(' ')[0].strip('>')}>").wrong == []


@pytest.mark.parametrize(
    "address",
    ["https://a.example/x?y=1&z=2#w", "http://a.example:8080", "HTTPS://a.example/", "mailto:ann@example.org"],
)
def test_addresses_of_the_web_and_mail_become_links(address):
    (link,) = read(f"[a]({address})").all("a")
    assert link == {"href": address, "rel": REL}


@pytest.mark.parametrize(
    "address",
    ["", "javascript:alert(1)", "/accounts/", "//a.example", "http:accounts", "ftp://a.example/", "data:,x", "#a"],
)
def test_other_addresses_stay_text(address):
    reader = read(f"[a]({address}) ![b]({address}) <{address}>")
    assert reader.all("a") == []
    assert address in reader.text


def test_a_host_that_no_browser_reads_is_no_link():
    assert all("href" not in link for link in read("[a](http://a:99999/) [b](<http://[/>)").all("a"))


def test_a_picture_is_a_link_so_that_no_other_site_learns_who_reads():
    reader = read("![the *trace*](https://a.example/t.png)")
    assert reader.all("a") == [{"href": "https://a.example/t.png", "rel": REL}]
    assert reader.text.strip() == "the trace"


def test_a_picture_without_words_shows_its_address():
    assert read("![](https://a.example/t.png)").text.strip() == "https://a.example/t.png"


def test_a_picture_in_a_link_leaves_the_link_alone():
    reader = read("[![build](https://a.example/b.png)](https://ci.example/)")
    assert reader.all("a") == [{"href": "https://ci.example/", "rel": REL}]
    assert reader.text.strip() == "build"


def test_classes_are_used_by_no_other_stylesheet_or_script():
    """Why `class` may pass at all: what a forged one could reach is what prose.css does with it."""
    classes = set(highlighting.CLASSES.values()) | {"code-block", "table-block"} | CELLS
    root = PROSE_CSS.parents[2]
    for path in [*root.glob("static/css/*.css"), *root.glob("*/static/**/*.css")]:
        if path != PROSE_CSS:
            assert set(re.findall(r"\.([a-z][\w-]*)", path.read_text())) & classes == set(), path.name
    for path in root.glob("static/js/*.js"):
        if path.name != "code.js":
            assert not re.search(r"[.\"'](code-block|table-block|cell-\w+)\b", path.read_text()), path.name


# --- What Markdown becomes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a *b* **c** ~~d~~ `e`", "<p>a <em>b</em> <strong>c</strong> <s>d</s> <code>e</code></p>\n"),
        ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
        ("a\n\n---\n\n> b", "<p>a</p>\n<hr>\n<blockquote>\n<p>b</p>\n</blockquote>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("7. a", '<ol start="7">\n<li>a</li>\n</ol>\n'),
        ("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>\n"),
        ("", ""),
    ],
)
def test_markdown_becomes_html(text, shown):
    assert render(text) == shown
    assert isinstance(render(text), SafeString)


@pytest.mark.parametrize(
    ("levels", "shown"),
    [
        ("# ## ###", "2 3 4"),
        ("## ### ##", "2 3 2"),
        ("### ## #", "2 2 2"),
        ("# ### ## ####", "2 3 3 4"),
        ("# ## ### #### ##### ######", "2 3 4 5 6 6"),
    ],
)
def test_headings_stand_below_the_page_and_skip_no_level(levels, shown):
    reader = read("\n\n".join(f"{marks} x" for marks in levels.split()))
    assert [tag[1] for tag, _ in reader.tags] == shown.split()


def test_headings_start_where_the_page_says():
    assert render("## a\n\n### b", top=4) == "<h4>a</h4>\n<h5>b</h5>\n"


def test_a_table_scrolls_by_itself_and_keeps_its_alignment():
    reader = read("|a|b|c|\n|:-|:-:|-:|\n|1|2|3|")
    assert reader.all("div") == [{"class": "table-block", "aria-label": "Table", **FRAME}]
    assert [cell["class"] for cell in reader.all("td")] == ["cell-left", "cell-center", "cell-right"]


@pytest.mark.parametrize("text", ["manage.py", "www.example.org", "ann@example.org", "a.b.c", "//a.example"])
def test_what_names_no_scheme_is_no_link(text):
    assert read(text).all("a") == []


def test_a_bare_address_is_a_link_up_to_its_full_stop():
    (link,) = read("See https://a.example/b_(c).").all("a")
    assert link["href"] == "https://a.example/b_(c)"


# --- Code -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("info", ["python", "py", "Python", "python title='x'", "{.python}"])
def test_code_in_a_known_language_is_coloured_and_named(info):
    reader = read(f"```{info}\ndef f(): return 'x'\n```")
    assert [span["class"] for span in reader.all("span")] == ["k", "nf", "k", "s"]
    assert reader.all("pre") == [{"aria-label": "Code, Python", **FRAME}]
    assert reader.text == "def f(): return 'x'\n\n"


@pytest.mark.parametrize("info", ["", "klingon", "k\u0000", "../x", "python3.11.x", "<script>", "a" * 5000])
def test_code_in_another_language_is_plain(info):
    reader = read(f"```{info}\nx = 1\n```")
    assert reader.all("span") == []
    assert reader.all("pre") == [{"aria-label": "Code", **FRAME}]


SAMPLE = (
    'int main() { // "x" <b>\n  return f("a\\n", 1.5e3);\n}\n# y\n@z: {q: [1, true, None]}\n--\n<a b=\'c\'>&amp;</a>\n'
)


BEGINNINGS = {
    "http": "GET / HTTP/1.1\nHost: a.example\n\n",
    "php": "<?php\n",
    "pytb": 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: 1\n\n',
}


@pytest.mark.parametrize("language", highlighting.LANGUAGES)
def test_every_language_has_a_lexer_that_changes_no_character(language):
    code = BEGINNINGS.get(language, "") + SAMPLE
    coloured = highlighting.highlight(code, language, highlighting.Patience(60))
    assert html.unescape(re.sub("<[^>]+>", "", coloured)) == code
    assert "<span" in coloured


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(highlighting.LANGUAGES)), st.text(max_size=300))
def test_no_text_is_changed_by_its_colours(language, code):
    code = html.escape(code).removesuffix("\n")  # so that no reference stands in it by chance
    coloured = highlighting.highlight(code, language, highlighting.Patience())
    assert html.unescape(re.sub("<[^>]+>", "", coloured)).removesuffix("\n") == code


def test_aliases_lead_to_languages():
    assert {name for name in highlighting.ALIASES.values() if name} <= set(highlighting.LANGUAGES)
    assert not set(highlighting.ALIASES) & set(highlighting.LANGUAGES)


@pytest.mark.parametrize("code", ["x = 1\n" * 2000, "x = " + "1" * 1500])
def test_long_code_is_plain(code):
    assert read(f"```python\n{code}\n```").all("span") == []


def test_code_that_takes_a_lexer_too_long_is_plain():
    code = "x = 1\n" * 100
    assert "<span" in highlighting.highlight(code, "python", highlighting.Patience(60))
    patience = highlighting.Patience(0.000001)
    assert "<span" not in highlighting.highlight(code, "python", patience)
    assert patience.left < 0
    assert "<span" not in highlighting.highlight("x = 1", "python", patience), "the rest of the text is plain too"


def test_colours_are_tokens_that_can_be_read_on_the_ground_of_code():
    """test_pieces computes that each of these tokens has a contrast of 4.5 on `sunken`, in light and in dark."""
    source = PROSE_CSS.read_text()
    assert set(re.findall(r"[^-]color: ([^;]+);", source)) <= {
        f"var(--{token})" for token in ("text", "muted", "primary", "points", "success", "danger", "info")
    }
    styled = set(re.findall(r"\.([a-z]{1,2})\b", source.partition("{")[2]))
    assert styled == set(highlighting.CLASSES.values())


# --- Hostile and broken text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_pathological_text_ends_soon_and_stays_small(name):
    """A generous limit for a busy machine; `benchmarks/markdown.py` measures. Twenty thousand characters each."""
    text = CASES[name]
    assert len(text) <= CHARACTERS
    started = time.thread_time()
    shown = render(text)
    plain(text)
    assert time.thread_time() - started < 3
    assert len(shown) < 25 * CHARACTERS


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [*SCRIPTS, *HOOKS, "\n\n", "\n", "    ", "> ", "- ", "1. ", "```python\n", "```\n", "|", "|-|-|\n"]
            ),
            st.sampled_from(
                ["[a](", ")", "[a]: ", "![", "]", "<", ">", "*", "_", "`", '"', "'", "\\", "&#", ";", "# "]
            ),
            st.text(max_size=8),
        ),
        max_size=25,
    ).map("".join)
)
def test_whatever_is_typed_only_allowed_html_comes_out(text):
    read(text)
    assert "\n" not in plain(text)


@pytest.mark.parametrize("code_point", [0, 1, 8, 0x0B, 0x7F, 0x85, 0x202E, 0x2066, 0xFEFF, 0xFFFF, 0xD800, 0xDFFF])
def test_characters_that_nobody_sees_are_left_out(code_point):
    text = f"a{chr(code_point)}b `c{chr(code_point)}d`"
    assert render(text) == "<p>ab <code>cd</code></p>\n"
    assert plain(text) == "ab cd"


def test_tabs_and_joiners_stay():
    assert "👩🏽‍🚀 می‌خواهم" in render("👩🏽‍🚀 می‌خواهم")
    assert "a\tb" in render("```\na\tb\n```")


def test_a_definition_that_is_used_often_does_not_blow_up_the_page():
    reader = read(f"[a]: https://a.example/{'u' * 9000}\n\n" + "[a] " * 2500)
    assert 0 < len(reader.all("a")) < 20
    assert reader.text.count("a") == 2500


def test_nesting_ends():
    assert len(read(">" * 500 + " a").all("blockquote")) < 20
    assert len(read("- " * 500 + "a").all("ul")) < 20


def test_a_text_longer_than_any_form_takes_is_shown_as_it_was_typed():
    reader = read("*a* <b>\n" * 150_000)
    assert [tag for tag, _ in reader.tags] == ["div", "pre", "code"]


def test_threads_share_the_parser():
    from concurrent.futures import ThreadPoolExecutor

    texts = [
        f"# {n}\n\n[a{n}]: https://a.example/{n}\n\n[a{n}] ![i](https://b.example/{n})\n\n```python\n{n}\n```"
        for n in range(60)
    ]
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(render, texts))
    REMEMBERED.clear()
    assert at_once == [render(text) for text in texts]


# --- What is remembered -----------------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch):
    """The texts that were really rendered or put into words."""
    REMEMBERED.clear()
    made = []
    for name in ("_render", "_plain"):
        make = getattr(markdown, name)
        monkeypatch.setattr(markdown, name, lambda text, option, make=make: made.append(text) or make(text, option))
    return made


def test_a_text_is_rendered_once_for_each_way_in_which_it_is_shown(made):
    code = "# T\n\n```\nx\n```"
    for _time in range(2):
        assert "<h2>" in render(code)
        assert "<h4>" in render(code, top=4)
        assert isinstance(render(code), SafeString)
        assert plain(code) == "T"
        with translation.override("de"):  # the names of code and tables are for whoever reads
            render(code)
    assert made == [code] * 4


def test_as_much_is_remembered_as_there_is_room_for():
    calls = []
    remembered = Remembered(room=4_000)  # for two

    def get(name):
        return remembered.get((name,), lambda: calls.append(name) or name * 1_000)

    assert get("a") == get("a") == "a" * 1_000
    for name in "bac":  # so that "a" was read after "b"
        get(name)
    assert calls == ["a", "b", "c"]
    get("a")
    assert calls == ["a", "b", "c"]
    get("b")
    assert calls == ["a", "b", "c", "b"]
    assert remembered.get(("big",), lambda: "x" * 10_000) == "x" * 10_000  # more than there is room for
    remembered.get(("big",), lambda: calls.append("big") or "")
    assert calls[-1] == "big"


def test_many_texts_together_are_rendered_as_far_as_there_is_time(monkeypatch):
    monkeypatch.setattr(markdown, "MAX_CHARACTERS_TOGETHER", 10)
    assert render_each(["*one*", "*two*", "*<3>*", ""], top=3) == [
        "<p><em>one</em></p>\n",
        "<p><em>two</em></p>\n",
        *(str(render_each(["", "x" * 11])[1]).replace("x" * 11, typed) for typed in ("*&lt;3&gt;*", "")),
    ]


# --- Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# Why?\n\nIt *says* `KeyError` [here](https://a.example).", "Why? It says KeyError here."),
        ("one\ntwo  \nthree", "one two three"),
        ("- a\n- b\n\n|c|d|\n|-|-|\n|e|f|", "a b c d e f"),
        ("![the trace](https://a.example/t.png)", "the trace"),
        ("see\n\n```python\nx = 1\n```", "see"),
        ("```python\nx = 1\ny = 2\n```", "x = 1 y = 2"),
        ("<b>a</b> &amp; b", "<b>a</b> & b"),
        ("\\*a\\*", "*a*"),
        ("", ""),
        ("---", ""),
    ],
)
def test_plain_has_the_words(text, words):
    assert plain(text) == words


def test_plain_is_cut_between_words():
    assert plain("one two three four", 12) == "one two…"
    assert plain("one two three", 13) == "one two three"
    assert plain("x" * 100, 10) == "x" * 9 + "…"


# --- In templates -----------------------------------------------------------------------------------------------------


def test_the_filter_shuts_htmx_out():
    shown = Template("{{ text|markdown }}").render(Context({"text": "*a* <b hx-get=/>"}))
    assert shown == '<div class="prose" dir="auto" hx-disable><p><em>a</em> &lt;b hx-get=/&gt;</p>\n</div>'


def test_the_filter_takes_the_level_of_headings():
    assert "<h4>a</h4>" in Template("{{ text|markdown:4 }}").render(Context({"text": "# a"}))


def test_plain_words_are_escaped_by_the_template():
    shown = Template("{{ text|plain:30 }}").render(Context({"text": "**a** <script>alert(1)</script>"}))
    assert shown == "a &lt;script&gt;alert(1)&lt;/script&gt;"


def test_the_parser_treats_html_as_text():
    """A wrong option would leave everything to the second gate."""
    assert PARSER.options["html"] is False
