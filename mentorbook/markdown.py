"""What people write, as HTML that is safe in a page: the one renderer for tickets, replies, notes and messages.

Three gates, each enough by itself for most of what could come. markdown-it treats raw HTML as text (`html=False`). An
allow-list (nh3) behind it drops every tag and attribute that is not named here, whatever a bug in the first gate lets
through. And pages show the result inside `hx-disable` (the template filter `markdown`), so that htmx looks at none of
it.

Nothing that people write can hook into our styles or scripts: no `id`, no `data-*`, no `hx-*`, no `style`. `class` is
allowed with values of a fixed list alone, which are used in `prose.css` and nowhere else: the kinds of code
(`highlighting.CLASSES`), the frames around code and tables, and the alignment of cells. The worst that a forged one
could do is to colour a word.

Work and size are bounded: the worst 20,000 characters that are known take a fraction of half a second
(`benchmarks/markdown.py`). What was read last is remembered, so that what many read is rendered once, and whoever
writes what takes long makes nobody wait twice. One answer with many texts renders so many characters
(`render_each`).
"""

import re
from collections.abc import Iterable
from importlib import import_module

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from mentorbook import highlighting
from mentorbook.remembering import Remembered

# Longer than any form of ours takes; what is longer still is shown as it was typed.
MAX_CHARACTERS = 50_000
# Of all texts of one answer together, some seconds' work at the worst.
MAX_CHARACTERS_TOGETHER = 200_000
MAX_NESTING = 16
# A definition is written once and referred to thousands of times: all addresses of a text together end here.
MAX_ADDRESSES = 100_000
# Short rows of a wide table are filled up with empty cells: 20,000 characters would make 65,000 of them. The constant
# of the parser's module is the only handle, and the module's name is also that of the function in it.
import_module("markdown_it.rules_block.table").MAX_AUTOCOMPLETED_CELLS = 2_000

# Characters that no text has (controls, halves of characters), and those that turn the direction of what follows.
UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")
# With two slashes, because "http:path" is an address within the page's own site.
ADDRESS = re.compile(r"(https?://[^\s/]|mailto:[^\s?])", re.IGNORECASE)

ALIGNMENTS = ("left", "center", "right")
SANITIZER = nh3.Cleaner(
    tags={
        *("p", "br", "hr", "blockquote", "ul", "ol", "li", "h2", "h3", "h4", "h5", "h6"),
        *("em", "strong", "s", "a", "code", "pre", "span", "div"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    },
    clean_content_tags={"script", "style"},
    attributes={"*": set(), "a": {"href", "title"}, "pre": {"aria-label"}, "div": {"aria-label"}},
    tag_attribute_values={
        "ol": {"start": {str(number) for number in range(1000)}},
        "pre": {"tabindex": {"0"}, "role": {"group"}},
        "div": {"tabindex": {"0"}, "role": {"group"}},
    },
    allowed_classes={
        "span": set(highlighting.CLASSES.values()),
        "div": {"code-block", "table-block"},
        "th": {f"cell-{side}" for side in ALIGNMENTS},
        "td": {f"cell-{side}" for side in ALIGNMENTS},
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="nofollow noopener noreferrer ugc",
)


class Renderer(RendererHTML):
    """markdown-it's HTML, but for code, tables and pictures."""

    def fence(self, tokens, index, options, env):
        token = tokens[index]
        language = highlighting.language_of(token.info)
        return _code_block(highlighting.highlight(token.content, language, env["patience"]), language)

    def code_block(self, tokens, index, options, env):
        return _code_block(escape(tokens[index].content), "")

    # What may be wider than the screen scrolls by itself, and so that keys reach it, it takes the focus and has a name.
    # A group and not a region: regions are landmarks, and a text with ten pieces of code is not ten places to go to.

    def table_open(self, tokens, index, options, env):
        return f'<div class="table-block" tabindex="0" role="group" aria-label="{escape(gettext("Table"))}"><table>'

    def table_close(self, tokens, index, options, env):
        return "</table></div>"


def _code_block(html, language):
    name = highlighting.LANGUAGES.get(language)
    label = gettext("Code, %(language)s") % {"language": name} if name else gettext("Code")
    return (
        f'<div class="code-block"><pre tabindex="0" role="group" aria-label="{escape(label)}">'
        f"<code>{html}</code></pre></div>\n"
    )


class Parser(MarkdownIt):
    def validateLink(self, url):
        return _leads_somewhere(url)


def _tidy(state):
    """Change the parsed text into what a page of ours wants of it: headings, links, cells."""
    _fit_headings(state)
    room = MAX_ADDRESSES
    for token in state.tokens:
        if token.type == "inline":
            token.children, room = _tidy_links(token.children, room)
        elif token.type in ("th_open", "td_open"):
            side = str(token.attrs.pop("style", "")).removeprefix("text-align:")
            if side in ALIGNMENTS:
                token.attrs["class"] = f"cell-{side}"


def _fit_headings(state):
    """Headings below the page's own, and none a level too deep: `##` below `#` is one step, and so is `####`."""
    top = state.env.get("top", 2)
    above = []  # (level written, level shown) of the headings around this place
    for token in state.tokens:
        if token.type == "heading_open":
            written = int(token.tag[1])
            while above and above[-1][0] > written:
                above.pop()
            if not above or above[-1][0] < written:
                above.append((written, min(6, above[-1][1] + 1 if above else top)))
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{above[-1][1]}"


def _tidy_links(tokens, room):
    """Pictures become links (they would tell another site who reads here), and links end where their room does."""
    kept = []
    opened = []  # for each link around this place, whether it is kept
    for token in tokens:
        if token.type == "link_open":
            room -= _size(token)
            opened.append(room >= 0 and _leads_somewhere(token.attrs["href"]))
            if opened[-1]:
                kept.append(token)
        elif token.type == "link_close":
            if opened.pop():
                kept.append(token)
        elif token.type == "image":
            address = str(token.attrs["src"])
            label = Token("text", "", 0, content=_text_of(token.children) or address)
            room -= _size(token) + len(label.content)
            if room < 0:
                continue
            if any(opened) or not _leads_somewhere(address):
                kept.append(label)
            else:
                kept += [Token("link_open", "a", 1, attrs={"href": address}), label, Token("link_close", "a", -1)]
        else:
            kept.append(token)
    return kept, room


def _leads_somewhere(address):
    return ADDRESS.match(str(address)) is not None  # the parser takes "[here]()" for a link


def _size(token):
    return sum(len(str(value)) for value in token.attrs.values())


def _parser():
    parser = Parser(
        "commonmark",
        # A line break is a line break: what people paste into a text field is not wrapped by hand.
        {"html": False, "linkify": True, "breaks": True, "maxNesting": MAX_NESTING},
        renderer_cls=Renderer,
    )
    parser.enable(["table", "strikethrough", "linkify"])
    # Only what names its scheme: to guess makes a link to Paraguay of manage.py.
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    parser.linkify.add("//", None).add("ftp:", None)
    parser.core.ruler.push("tidy", _tidy)
    return parser


# Made once, never changed: what belongs to one text lives in the state of its own parse.
PARSER = _parser()
# By text, and by whatever else the result depends on; in each process.
REMEMBERED = Remembered(room=32_000_000)


def clean(text: str) -> str:
    """`text` without the characters that nobody sees and that could disturb a page."""
    return UNSEEN.sub("", text)


def render(text: str, *, top: int = 2) -> SafeString:
    """The Markdown `text` as safe HTML. Its highest headings become `h{top}`.

    Belongs inside `<div class="prose" hx-disable>`: in templates, `{{ text|markdown }}` gives both.
    """
    return REMEMBERED.get(("html", text, top, get_language()), lambda: _render(text, top))


def render_each(texts: Iterable[str], *, top: int = 2) -> list[SafeString]:
    """Each of `texts` as `render` has it, for as long as all up to it have MAX_CHARACTERS_TOGETHER; from there on as
    they were typed."""
    return [
        render(text, top=top) if together <= MAX_CHARACTERS_TOGETHER else _safe(_as_typed(clean(text)))
        for text, together in _adding_up(texts)
    ]


def _adding_up(texts):
    together = 0
    for text in texts:
        together += len(text)
        yield text, together


def _render(text, top):
    text = clean(text)
    if len(text) > MAX_CHARACTERS:
        return _safe(_as_typed(text))
    return _safe(PARSER.render(text, {"top": top, "patience": highlighting.Patience()}))


def _as_typed(text):
    return _code_block(escape(text), "")


def _safe(html):
    return mark_safe(SANITIZER.clean(html))  # noqa: S308


def plain(text: str, limit: int = 200) -> str:
    """The words of a Markdown `text` in one line of at most `limit` characters, for excerpts and notifications.

    Blocks of code are left out where there are other words. Not HTML: templates escape it as they do any text.
    """
    text = text[: limit * 10 + 2000]  # of which more is never looked at
    return REMEMBERED.get(("words", text, limit), lambda: _plain(text, limit))


def _plain(text, limit):
    # Markup takes room as well, but no text is so full of it.
    text = clean(text)[: limit * 5 + 1000]
    tokens = PARSER.parse(text, {})
    words = " ".join(_text_of(token.children) for token in tokens if token.type == "inline").split()
    if not words:
        words = " ".join(token.content for token in tokens if token.type in ("fence", "code_block")).split()
    line = " ".join(words)
    if len(line) <= limit:
        return line
    cut, space, _rest = line[: limit - 1].rpartition(" ")
    return (cut if space and len(cut) > limit / 2 else line[: limit - 1]) + "…"


def _text_of(tokens):
    """The words of inline tokens: code and the descriptions of pictures included, marks left out."""
    words = []
    for token in tokens or ():
        if token.type in ("softbreak", "hardbreak"):
            words.append(" ")
        elif token.children:
            words.append(_text_of(token.children))
        elif token.type in ("text", "code_inline", "text_special"):
            words.append(token.content)
    return "".join(words)
