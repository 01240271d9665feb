"""What the words in the directory's search box find.

Neither database compares without regard to case in every alphabet (SQLite's LIKE knows ASCII only, PostgreSQL's
depends on its locale). So the profile keeps one column of folded words, queries are folded the same way, and both
databases then only compare bytes. A query word finds the words that begin with it.
"""

import re
import unicodedata

from django.db.models import Q

SEPARATORS = re.compile(r"[\s\x00,;:!?¡¿()\[\]{}\"“”„«»<>|/\\…—–·•*=&@~^`´%$§€_]+")
PARTS = re.compile(r"[-.'’+#]+")
COMBINING = re.compile("[\u0300-\u036f]")  # the marks of Latin, Greek and Cyrillic; other scripts need theirs
IDEOGRAPHS_FROM = "\u2e80"  # scripts that are written without spaces begin here


def fold(text: str) -> str:
    """`text` without case, accents and compatibility forms: `Ångström` and `ANGSTROM` are the same."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFKC", COMBINING.sub("", decomposed))


def words(text: str) -> list[str]:
    """The folded words of `text`, in order; `c++`, `c#`, `.net` and `node.js` stay whole."""
    found = (word.strip("'’-").rstrip(".") for word in SEPARATORS.split(fold(text)))
    return [word for word in found if word]


def search_text(*texts: str) -> str:
    """What is stored: every word once, with a space before it; of `jean-pierre` and `node.js` the later parts too."""
    stored = {}
    for text in texts:
        for word in words(text):
            stored[word] = True
            for part in PARTS.split(word):
                if part:
                    stored[part] = True
    return "".join(f" {word}" for word in stored)


def matches(query: str) -> Q:
    """The condition on `search_text` that every word of `query` is there; no condition for a query without words."""
    condition = Q()
    for word in dict.fromkeys(words(query)):
        anywhere = any(character >= IDEOGRAPHS_FROM for character in word)
        condition &= Q(search_text__contains=word if anywhere else f" {word}")
    return condition
