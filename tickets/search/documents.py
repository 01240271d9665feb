"""What of a ticket can be searched, as plain words: what stands in the index of either database."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tickets.search import analyser
from tickets.search.query import tag_term

# What PostgreSQL keeps of a word's places in one text; beyond, phrases would differ between the databases.
MAX_PLACES = 255
MAX_WORDS = 12_000
MAX_CHARACTERS = 60_000
# Stands between texts, so that no phrase runs from one into the other, and in every document, so that a query of
# nothing but negations has something to subtract from.
GAP = "~"


@dataclass(frozen=True)
class Document:
    """Words in their order, then the terms that find them, separated by spaces; see `analyser.Word`."""

    title: str
    tags: str
    body: str

    @property
    def fingerprint(self) -> str:
        """Differs where the document or the analyser differs."""
        whole = "\n".join([analyser.VERSION, self.title, self.tags, self.body])
        return hashlib.blake2b(whole.encode(), digest_size=10).hexdigest()


def document(title: str, tags: Iterable[tuple[int, Iterable[str]]], texts: Iterable[str]) -> Document:
    """`tags` are ids with all spellings; `texts` the description, the solution and what else is found, in the order
    of their worth: of very long ones the end is left out."""
    budget = _Budget()
    tags = list(tags)
    names = [name for _, spellings in tags for name in spellings]
    return Document(
        _field([title], budget),
        _field(names, budget, extra=[tag_term(pk) for pk, _ in tags]),
        _field(texts, budget),
    )


class _Budget:
    def __init__(self):
        self.characters = MAX_CHARACTERS
        self.words = MAX_WORDS
        self.places = Counter()


def _field(texts, budget, extra=()) -> str:
    stream, terms = [], set(extra)
    for text in texts:
        text = analyser.readable(text[: budget.characters])
        budget.characters = max(0, budget.characters - len(text))
        for word in analyser.words(text):
            if budget.words <= 0:
                break
            budget.words -= 1
            if (places := budget.places[word.text]) < MAX_PLACES:
                stream.append(word.text)
                budget.places[word.text] = places + 1
            else:
                stream.append(GAP)
            terms.update(word.terms)
        stream.append(GAP)
    return " ".join([*stream, *sorted(term for term in terms if term[0] in "~@")])
