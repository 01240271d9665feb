"""What people type into the search box, taken apart. Nothing that can be typed is an error.

All words must be there (in any inflection); `"these words"` stand side by side as written; `-word` must not be there;
`one OR other`; `begin*`; `tag:name`. What cannot be meant (a quote that does not end, an OR at the edge) is ignored.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from django.core.exceptions import ValidationError

from mentors import tags
from tickets.search import analyser

MAX_CHARACTERS = 1_000
MAX_SOUGHT = 16  # what comes after that many words and phrases is left out
MAX_PHRASE = 16
# Questions are full of these; they are asked for only where nothing else is, and in quotes.
SMALL_WORDS = frozenset(
    """a an and are as at be but by can do does for from get how i if in is it me my not of on or so that the this to
    use was what when where which why will with you""".split()  # noqa: SIM905
)
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
PIECE = re.compile(
    r"""(?P<minus>(?<!\S)-(?=[^\s-]))?"""
    r"""(?:tag:(?:"(?P<quoted_tag>[^"]*)"?|(?P<tag>[^\s"]+))|"(?P<phrase>[^"]*)"?|(?P<plain>[^\s"]+))""",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sought:
    """Words or terms of the index that stand side by side; the last one only begins so where `is_prefix` says it."""

    words: tuple[str, ...]
    is_prefix: bool = False
    joined: str = ""  # a term that will do instead: `nodejs` for `node.js`


@dataclass(frozen=True)
class TagSought:
    """A tag by its normalised name, of which only the database knows whether there is one."""

    name: str


@dataclass(frozen=True)
class Typed:
    """A plain word of the query as it stands in its text: what a typing mistake may be in."""

    word: str
    start: int
    end: int


@dataclass(frozen=True)
class Query:
    """Each of `groups` must be found, by one of its alternatives; none of `without` may be."""

    text: str = ""
    groups: tuple[tuple, ...] = ()
    without: tuple = ()
    typed: tuple[Typed, ...] = ()

    @property
    def is_empty(self):
        """Whether nothing was asked for, so that nothing can be found."""
        return not self.groups and not self.without

    def with_tags(self, find: Callable[[Iterable[str]], Mapping]) -> "Query":
        """The same with tags instead of their names; `find` gives {name: tag} for those that exist.

        A tag that does not exist is found nowhere: an alternative without words.
        """
        wanted = {it.name for it in [*sum(self.groups, ()), *self.without] if isinstance(it, TagSought)}
        if not wanted:
            return self
        known = find(wanted)

        def resolved(alternatives):
            for it in alternatives:
                if not isinstance(it, TagSought):
                    yield it
                elif it.name in known:
                    yield Sought((tag_term(known[it.name].pk),))

        return replace(
            self,
            groups=tuple(tuple(resolved(group)) for group in self.groups),
            without=tuple(resolved(self.without)),
        )


def tag_term(pk: int) -> str:
    """The term under which what has this tag is found, however the tag is spelt."""
    return f"@{pk}"


def clean(text: str) -> str:
    """What of a text is read: its beginning, without what people cannot type."""
    return analyser.readable(UNSEEN.sub(" ", text[:MAX_CHARACTERS]).translate(QUOTES)).strip()


def parse(text: str) -> Query:
    text = clean(text)
    groups, without, typed = [], [], []
    joins = False  # whether the last piece was an OR
    for piece in PIECE.finditer(text):
        if sum(map(len, groups)) + len(without) >= MAX_SOUGHT:
            break
        if piece["plain"] == "OR":
            joins = bool(groups)
            continue
        found = _sought(piece)[:MAX_SOUGHT]
        if piece["minus"]:
            without += found
            joins = False
            continue
        if found and joins:
            groups[-1] = (*groups[-1], found.pop(0))
        joins = False
        groups += [(it,) for it in found]
        typed += _typed(piece)
    small = [group for group in groups if _is_small(group)]
    if len(small) < len(groups):
        groups = [group for group in groups if group not in small]
    return Query(text, tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(without)), tuple(typed))


def _sought(piece) -> list:
    """What one piece of a query asks for: several things where it is plain and not one word."""
    if (name := piece["tag"] or piece["quoted_tag"]) is not None:
        try:
            return [TagSought(tags.normalise(name))]
        except ValidationError:
            return []
    if piece["phrase"] is not None:
        return _side_by_side(list(analyser.words(piece["phrase"])))
    things = list(analyser.tokens(piece["plain"]))
    if piece["minus"] and len(things) > 1:
        return _side_by_side([word for thing in things for word in thing])
    found = [_thing(thing) for thing in things if thing]
    if found and piece["plain"].endswith("*"):
        found[-1] = _beginning(things[-1])
    return found


def _thing(words) -> Sought:
    """A word in any inflection; or what is written as one, as its words side by side."""
    if len(words) == 1 and not words[0].ends_run:
        return Sought((words[0].term,))
    (sought,) = _side_by_side(words)
    return replace(sought, joined=words[0].joined)


def _side_by_side(words) -> list[Sought]:
    if not words:
        return []
    words = words[:MAX_PHRASE]
    last = words[-1]
    if last.ends_run and len(words) > 1 and words[-2].end > last.start:  # the last two letters say it already
        return [Sought(tuple(word.text for word in words[:-1]))]
    return [Sought(tuple(word.text for word in words), is_prefix=last.ends_run)]


def _beginning(words) -> Sought:
    (sought,) = _side_by_side(words)
    if len(words) == 1 and len(words[0].text) == 1 and not words[0].ends_run:
        return Sought((words[0].term,))  # half the index begins with any one letter
    return replace(sought, is_prefix=True)


def _is_small(group) -> bool:
    (first, *others) = group
    return not others and isinstance(first, Sought) and not first.is_prefix and first.words in _SMALL_TERMS


def _typed(piece):
    if piece["plain"] is None or piece["plain"].endswith("*"):
        return
    for thing in analyser.tokens(piece["plain"]):
        if len(thing) == 1 and thing[0].text.isalpha() and not thing[0].ends_run:
            start = piece.start("plain")
            yield Typed(thing[0].text, start + thing[0].start, start + thing[0].end)


_SMALL_TERMS = frozenset((analyser.STEM + analyser.stem(word),) for word in SMALL_WORDS)
