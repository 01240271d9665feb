"""Code in colours: a text and the name of its language become escaped text in spans with classes."""

import re
import time
from functools import lru_cache
from itertools import groupby

from django.utils.html import escape
from pygments.lexers import get_lexer_by_name
from pygments.token import (
    Comment,
    Error,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
    Token,
    Whitespace,
)

# What a fence may name. A list of our own and not Pygments' five hundred: each of these was tried with hostile text,
# and the first use of a lexer costs milliseconds and memory that stay.
LANGUAGES = {
    "bash": "Bash",
    "c": "C",
    "clojure": "Clojure",
    "cmake": "CMake",
    "console": "Terminal",
    "cpp": "C++",
    "csharp": "C#",
    "css": "CSS",
    "dart": "Dart",
    "diff": "Diff",
    "docker": "Dockerfile",
    "elixir": "Elixir",
    "erlang": "Erlang",
    "go": "Go",
    "graphql": "GraphQL",
    "haskell": "Haskell",
    "html": "HTML",
    "html+django": "Django template",
    "http": "HTTP",
    "ini": "INI",
    "java": "Java",
    "javascript": "JavaScript",
    "json": "JSON",
    "julia": "Julia",
    "kotlin": "Kotlin",
    "latex": "LaTeX",
    "lua": "Lua",
    "make": "Makefile",
    "matlab": "MATLAB",
    "nginx": "nginx",
    "ocaml": "OCaml",
    "perl": "Perl",
    "php": "PHP",
    "postgres": "PostgreSQL",
    "powershell": "PowerShell",
    "pycon": "Python session",
    "pytb": "Python traceback",
    "python": "Python",
    "r": "R",
    "ruby": "Ruby",
    "rust": "Rust",
    "scala": "Scala",
    "scss": "SCSS",
    "sql": "SQL",
    "swift": "Swift",
    "terraform": "Terraform",
    "toml": "TOML",
    "typescript": "TypeScript",
    "xml": "XML",
    "yaml": "YAML",
}
ALIASES = {
    "c#": "csharp",
    "c++": "cpp",
    "cc": "cpp",
    "cs": "csharp",
    "django": "html+django",
    "dockerfile": "docker",
    "ex": "elixir",
    "golang": "go",
    "h": "c",
    "hcl": "terraform",
    "hpp": "cpp",
    "hs": "haskell",
    "htm": "html",
    "jinja": "html+django",
    "js": "javascript",
    "jsonc": "json",
    "jsx": "javascript",
    "kt": "kotlin",
    "makefile": "make",
    "md": "",
    "mysql": "sql",
    "patch": "diff",
    "plpgsql": "postgres",
    "postgresql": "postgres",
    "ps1": "powershell",
    "psql": "postgres",
    "py": "python",
    "py3": "python",
    "python3": "python",
    "rb": "ruby",
    "rs": "rust",
    "sass": "scss",
    "sh": "bash",
    "shell": "bash",
    "sqlite": "sql",
    "tex": "latex",
    "tf": "terraform",
    "traceback": "pytb",
    "ts": "typescript",
    "tsx": "typescript",
    "vue": "html",
    "yml": "yaml",
    "zsh": "bash",
}

# Kinds of token and their classes, Pygments' own short names; a kind without one takes its parent's. What is not here
# (plain names, punctuation) stays plain: fewer colours are easier to read, and fewer spans are a smaller page.
CLASSES = {
    Comment: "c",
    Comment.Preproc: "cp",
    Keyword: "k",
    Keyword.Type: "kt",
    Name.Attribute: "na",
    Name.Builtin: "nb",
    Name.Class: "nc",
    Name.Decorator: "nd",
    Name.Exception: "ne",
    Name.Function: "nf",
    Name.Tag: "nt",
    Name.Variable: "nv",
    Number: "m",
    String: "s",
    String.Escape: "se",
    String.Interpol: "si",
    String.Regex: "sr",
    Literal: "l",
    Operator.Word: "ow",
    Generic.Deleted: "gd",
    Generic.Emph: "ge",
    Generic.Error: "gr",
    Generic.Heading: "gh",
    Generic.Inserted: "gi",
    Generic.Output: "go",
    Generic.Prompt: "gp",
    Generic.Strong: "gs",
    Generic.Subheading: "gu",
    Generic.Traceback: "gt",
}
PLAIN = {Token, Text, Whitespace, Punctuation, Name, Operator, Generic, Error}

# What is longer stays plain, and so does what takes a lexer longer: several take quadratic time on hostile text.
MAX_CHARACTERS = 10_000
MAX_LINE = 1_000
SECONDS = 0.15
# So much nothing at once: where a lexer looks over it again from each of its characters, nobody can interrupt it.
GAP = re.compile(r"\s{200}")


class Patience:
    """How much time of the processor the blocks of one text may take together before the rest stays plain."""

    def __init__(self, seconds=SECONDS):
        self.left = seconds

    def watch(self, tokens):
        """The same tokens; raises TimeoutError when they take too long."""
        until = time.thread_time() + self.left
        try:
            for token in tokens:
                if time.thread_time() > until:
                    raise TimeoutError
                yield token
        finally:
            self.left = until - time.thread_time()


def language_of(info):
    """The language that the info string of a fence names (`python title="x"` → `python`), or ""."""
    words = info.split(maxsplit=1)
    name = words[0].strip("{}.").lower() if words else ""
    name = ALIASES.get(name, name)
    return name if name in LANGUAGES else ""


@lru_cache(maxsize=len(LANGUAGES))
def _lexer_class(language):
    return type(get_lexer_by_name(language))


@lru_cache(maxsize=1024)
def _class_of(kind):
    while kind not in CLASSES and kind not in PLAIN:
        kind = kind.parent
    return CLASSES.get(kind, "")


def can_highlight(code):
    if len(code) > MAX_CHARACTERS or max(map(len, code.split("\n"))) > MAX_LINE:
        return False
    return GAP.search(code) is None


def highlight(code, language, patience):
    """`code` as escaped HTML, in spans with `CLASSES` where the language is known and the code neither long nor slow.

    Whatever a lexer makes of it, the text stays the same, but for a line end at its end.
    """
    if not language or not can_highlight(code) or patience.left <= 0:
        return escape(code)
    # A lexer of its own for each text: some keep their state in themselves, and pages are rendered in threads.
    lexer = _lexer_class(language)(stripnl=False)
    try:
        tokens = list(patience.watch(lexer.get_tokens(code)))
    except Exception:  # out of patience; and a lexer that fails costs the colours, not the page
        return escape(code)
    # Lexers want a line end at the end. Some lose what they do not expect, and then the text goes before its colours.
    if "".join(value for _, value in tokens).removesuffix("\n") != code.removesuffix("\n"):
        return escape(code)
    pieces = []
    for name, group in groupby(tokens, key=lambda token: _class_of(token[0])):
        text = escape("".join(value for _, value in group))
        pieces.append(f'<span class="{name}">{text}</span>' if name and not text.isspace() else text)
    return "".join(pieces)
