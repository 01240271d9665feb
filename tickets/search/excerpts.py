"""Where the words that were asked for stand in a text, and the part of it worth showing, with them marked.

Everything that comes from a text is escaped by `format_html`; the only markup is `<mark>`.
"""

import re
import unicodedata
from collections.abc import Iterable

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from tickets.search import analyser
from tickets.search.query import Query, Sought

LENGTH = 220
LEAD = 40  # characters of context before the first mark
READ = 4_000  # characters of each text that are looked through
FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
HEADING = re.compile(r"^[ \t]*(?:#{1,6}|>|[*-])[ \t]+", re.MULTILINE)

Mark = tuple[int, int, int]  # from, to, and which of the things asked for


class Marker:
    """Finds in texts what one query asks for."""

    def __init__(self, query: Query):
        self.words: dict[str, int] = {}  # a single word or term → which
        self.beginnings: list[tuple[str, int]] = []
        self.sequences: dict[str, list[tuple[Sought, int]]] = {}  # by the first word
        for which, group in enumerate(query.groups):
            for sought in group:
                if isinstance(sought, Sought):  # tags are no part of a text
                    self._add(sought, which)
        self.known_by = {analyser.beginning(word.removeprefix(analyser.STEM)) for word in self.words}

    def _add(self, sought, which):
        if sought.joined:
            self.words[sought.joined] = which
        if len(sought.words) > 1:
            self.sequences.setdefault(sought.words[0], []).append((sought, which))
        elif sought.is_prefix:
            self.beginnings.append((sought.words[0], which))
        else:
            self.words[sought.words[0]] = which

    def marks(self, text: str) -> list[Mark]:
        """The places in `text`, which is NFC, in their order; those that touch the same letters are one."""
        found: list[Mark] = []
        read = list(analyser.words(text, READ))
        for at, word in enumerate(read):
            if (which := self._single(word)) is not None:
                found.append((word.start, word.end, which))
            elif self.beginnings:
                found += self._begun(word)
            for sought, which in self.sequences.get(word.text, ()):
                if (end := _end_of(sought, read, at)) is not None:
                    found.append((word.start, end, which))
        return _merged(found)

    def _single(self, word):
        if (which := self.words.get(word.text)) is not None:
            return which
        # The stems of all words of a page would cost more than the search.
        for spelling in (word.text, *word.parts, word.whole):
            if analyser.beginning(spelling) in self.known_by:
                which = self.words.get(analyser.STEM + analyser.stem(spelling))
                if which is not None:
                    return which
        return None

    def _begun(self, word):
        for beginning, which in self.beginnings:
            if word.text.startswith(beginning):
                # Of two letters of a script without spaces only what was asked for.
                yield word.start, min(word.end, word.start + len(beginning)) if word.is_letters else word.end, which
                return


def _end_of(sought, read, at):
    """Where the sequence that begins with word number `at` ends in the text; None where it is not this sequence."""
    *inner, last = sought.words
    here = read[at : at + len(sought.words)]
    if len(here) < len(sought.words) or any(word.text != want for word, want in zip(here, inner, strict=False)):
        return None
    if here[-1].text == last or (sought.is_prefix and here[-1].text.startswith(last)):
        return here[-1].end
    return None


def _merged(marks: list[Mark]) -> list[Mark]:
    merged: list[Mark] = []
    for start, end, which in sorted(marks):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
        else:
            merged.append((start, end, which))
    return merged


def marked(text: str, marker: Marker) -> SafeString:
    """The whole of `text`, for titles."""
    text = analyser.readable(text)
    return _html(text, marker.marks(text), 0, len(text))


def excerpt(texts: Iterable[str], marker: Marker) -> SafeString:
    """The stretch of one of `texts` that has most of what was asked for, the first of equals; the beginning of the
    first text where none has anything."""
    best = None
    for text in texts:
        text = _plain(text)
        if not text:
            continue
        marks = marker.marks(text)
        worth, first = _densest(marks)
        if best is None or worth > best[0]:
            best = (worth, text, marks, first)
    if best is None:
        return format_html("{}", "")
    _, text, marks, first = best
    start = _cut(text, max(0, first - LEAD), back=True) if first > LEAD else 0
    end = _cut(text, min(len(text), start + LENGTH), back=False)
    return _html(text, marks, start, end)


def _plain(markdown: str) -> str:
    """The text without what only gives it shape; code stays as it is."""
    text = HEADING.sub("", FENCE.sub("", analyser.readable(markdown[:READ])))
    return " ".join(text.split())


def _densest(marks):
    """(How many different things asked for, and how many in all, stand within one excerpt; where it begins.)"""
    best, first = (0, 0), 0
    for at, (start, _, _) in enumerate(marks):
        near = [which for mark_start, _, which in marks[at : at + 20] if mark_start < start + LENGTH - LEAD]
        if (worth := (len(set(near)), len(near))) > best:
            best, first = worth, start
    return best, first


def _cut(text, at, *, back):
    """A place near `at` where the text may be cut: a space, else between two letters that belong to no one sign."""
    if at <= 0 or at >= len(text):
        return at
    space = text.rfind(" ", max(0, at - 25), at + 1) if not back else text.find(" ", at, at + 25)
    if space > 0:
        return space + (1 if back else 0)
    while 0 < at < len(text) and _sticks(text, at):
        at -= 1
    return at


def _sticks(text, at):
    here, before = text[at], text[at - 1]
    return "\u200d" in (here, before) or unicodedata.category(here) in ("Mn", "Mc", "Me", "Sk")


def _html(text, marks, start, end) -> SafeString:
    pieces, at = [], start
    for mark_start, mark_end, _ in marks:
        if mark_end <= start or mark_start >= end:
            continue
        mark_start, mark_end = max(mark_start, start), min(mark_end, end)
        pieces.append((text[at:mark_start], text[mark_start:mark_end]))
        at = mark_end
    return format_html(
        "{}{}{}{}",
        "… " if start > 0 else "",
        format_html_join("", "{}<mark>{}</mark>", pieces),
        text[at:end].rstrip(),
        " …" if end < len(text) else "",
    )
