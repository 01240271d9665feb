"""From text to the words that are searched: one analyser for what is stored and for what people type.

Neither database sees anything but the words made here, so both find the same. A word is stored twice: as it was
written (folded), one after the other, for phrases and beginnings of words; and by its `term`, `~` and the English
stem, under which every inflection finds it. Code is taken apart where people would: `asyncio.run(` is `asyncio` and
`run`, `OperationalError` is found as itself, as `operational` and as `error`; `c++`, `c#` and `.net` stay whole.
"""

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from snowballstemmer import stemmer

from mentors.search import fold as fold_letters

VERSION = "1"  # of what this module makes of a text; another one makes the whole index anew
STEM = "~"  # begins every term; no word begins with it
MAX_WORD = 64
# People join words by these: `node.js`, `e-mail`, `std::vector`, `don't`, `and/or`.
CONNECTORS = r"[.\-'’:/@]{1,3}"


def _ranges(codes) -> str:
    """Code points as the inside of a character class."""
    found = []
    for code in codes:
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


# Marks belong to the letter before them; those that only change the look of a sign do not.
LOOKS = {*range(0x20D0, 0x20F1), *range(0xFE00, 0xFE10)}
MARKS = _ranges(
    code for code in range(0x300, 0x20000) if unicodedata.category(chr(code))[0] == "M" and code not in LOOKS
)
INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u2060\ufeff"
# Scripts without spaces between words, and Korean, whose endings stick to the word.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u312f\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
PICTURES = "\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"

# Most of what is read is ASCII, which is asked for first: the list of all marks is long.
_WORD = rf"\w+(?:(?=[^\x00-\x7f])[{MARKS}{INVISIBLE}]+\w*)*(?:\+\+|(?<!\w\w)#)?"
# `.net`, also in quotes; but not what follows something, as in `"".join` and `f().x`.
_DOT = r"""(?<![\w.)\]}])(?<![^\s(\[{]["'`])\.(?=[^\W\d])"""
TOKEN = re.compile(rf"""(?:{_DOT})?{_WORD}(?:{CONNECTORS}{_WORD})*|[{PICTURES}]""")
SEGMENT = re.compile(rf"^\.{_WORD}|{_WORD}|[{PICTURES}]")
RUN = re.compile(rf"[{UNSPACED}][{UNSPACED}{MARKS}{INVISIBLE}]*|[^{UNSPACED}]+")
CLUSTER = re.compile(rf".[{MARKS}{INVISIBLE}]*", re.DOTALL)
HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Vowel signs of Arabic and Hebrew, which most people leave out; the bar that only lengthens a word; what nobody sees.
SILENT = re.compile(rf"[\u064b-\u0652\u0640\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7{INVISIBLE}]")
NOT_IN_WORD = re.compile(rf"[^\w{MARKS}+#.{PICTURES}]|_")

_english = stemmer("english")


class Word(NamedTuple):
    """One word of a text, or two letters of a script without spaces."""

    text: str  # folded: what stands in the stream of words
    start: int
    end: int
    parts: tuple[str, ...] = ()  # what it is made of, where that finds it as well
    whole: str = ""  # all of it in one, where this is the first of several words that were written as one thing
    is_letters: bool = False  # from a script without spaces
    ends_run: bool = False  # the single last letter of such a script

    # Stems are made when they are asked for: they cost a hundred times as much as everything else.
    @property
    def term(self) -> str:
        """What a search for the word looks up."""
        return self.text if self.is_letters else STEM + stem(self.text)

    @property
    def joined(self) -> str:
        return self.whole and STEM + stem(self.whole)

    @property
    def terms(self) -> Iterator[str]:
        """Everything that finds it."""
        yield self.term
        for spelling in (*self.parts, self.whole):
            if spelling:
                yield STEM + stem(spelling)


def words(text: str, at_most: int = sys.maxsize) -> Iterator[Word]:
    """The words of `text`, which is NFC, in order; only `at_most` characters of it are read."""
    readable = text[:at_most].replace("_", "-")
    for token in TOKEN.finditer(readable):
        start = token.start()
        raw = token[0]
        for word in _known(raw) if len(raw) <= MAX_WORD else _words_of(raw):
            yield Word(word[0], start + word[1], start + word[2], word[3], word[4], word[5], word[6])


def tokens(text: str) -> Iterator[list[Word]]:
    """The words of `text`, those that were written as one thing (`asyncio.run`) together."""
    for token in TOKEN.finditer(text.replace("_", "-")):
        yield _words_of(token[0])


def readable(text: str) -> str:
    """`text` in the one form that `words` counts positions in."""
    return unicodedata.normalize("NFC", text)


def fold(word: str) -> str:
    """`word` without case, accents of Latin, Greek and Cyrillic letters, and compatibility forms."""
    if word.isascii():
        return word.lower()[:MAX_WORD]
    return NOT_IN_WORD.sub("", SILENT.sub("", fold_letters(word)))[:MAX_WORD]


def beginning(word: str) -> str:
    """What a word and its stem have in common for certain: two letters, `y` being as good as `i` (dying, die)."""
    return word[:2].replace("y", "i")


@lru_cache(maxsize=1 << 16)
def stem(folded: str) -> str:
    """What English inflections of a word have in common; other words are their own stem."""
    return _english.stemWord(folded) if len(folded) > 2 and folded.isascii() and folded.isalpha() else folded


def _words_of(token: str) -> list[Word]:
    found = []
    segments = list(SEGMENT.finditer(token))
    for segment in segments:
        for run in RUN.finditer(segment[0]):
            make = _letters if re.match(f"[{UNSPACED}]", run[0]) else _spaced
            found += make(run[0], segment.start() + run.start())
    if len(segments) > 1 and found and all(not word.is_letters and word.text[:1].isalpha() for word in found):
        whole = "".join(word.text for word in found)
        if len(whole) <= MAX_WORD:
            found[0] = found[0]._replace(whole=whole)
    return found


_known = lru_cache(maxsize=1 << 14)(_words_of)


def _spaced(raw: str, start: int) -> list[Word]:
    text = fold(raw)
    if not text:
        return []
    parts = [part.lower() for part in HUMPS.findall(raw)] if raw.isascii() else []
    further = {part for part in [*parts, text.strip(".+#")] if len(part) > 1} - {text}
    return [Word(text, start, start + len(raw), tuple(sorted(further)))]


def _letters(raw: str, start: int) -> list[Word]:
    """Every two neighbouring letters, so that any part of the run is found; and the last one, so that one letter is."""
    found = []
    clusters = list(CLUSTER.finditer(raw))
    for here, following in zip(clusters, [*clusters[1:], None], strict=True):
        end = following.end() if following else here.end()
        text = fold(raw[here.start() : end])
        if text:
            place = start + here.start(), start + end
            found.append(Word(text, *place, is_letters=True, ends_run=following is None))
    return found
