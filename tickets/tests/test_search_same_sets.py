"""The same queries find the same tickets on SQLite and on PostgreSQL.

The suite runs on one database at a time, so each is compared with a third: an oracle below, which knows no analyser, no
index and no stemmer. It is told by hand what the words of a small world are, and looks at lists of them.
"""

import random
from dataclasses import dataclass

import pytest

from accounts.tests.factories import UserFactory
from mentors.models import TagSynonym
from mentors.tests.factories import TagFactory
from tests.thoroughness import amount
from tickets.models import Reply, Ticket
from tickets.search import index_tickets, search_tickets
from tickets.tests.factories import ReplyFactory, TicketFactory
from tickets.tests.test_search_query import random_query

pytestmark = pytest.mark.django_db
QUERIES = 1_000


@dataclass(frozen=True)
class Thing:
    """Something people write: the words it is read as, and further words that find it."""

    words: tuple[str, ...]
    also: tuple[str, ...] = ()


FAMILIES = [
    {"run", "runs", "running"},
    {"test", "tests", "testing", "tested"},
    {"table", "tables"},
    {"error", "errors"},
    {"migrate", "migrates", "migrating", "migrated"},
    {"connect", "connects", "connected", "connection"},
    {"queue", "queues"},
    {"file", "files"},
    {"import", "imports", "imported"},
    {"email", "emails"},
]
FAMILY = {word: frozenset(family) for family in FAMILIES for word in family}
PLAIN = ["python", "django", "celery", "redis", "numpy", "loop", "404", "panel", "tab", "tablet", "no", "such", *FAMILY]
SPACED = {
    **{word: Thing((word,)) for word in PLAIN},
    "Running": Thing(("running",)),
    "DJANGO": Thing(("django",)),
    "café": Thing(("cafe",)),
    "naïve": Thing(("naive",)),
    "Привет": Thing(("привет",)),
    "ΛΆΘΟΣ": Thing(("λαθοσ",)),
    "हिन्दी": Thing(("हिन्दी",)),
    "مرحبا": Thing(("مرحبا",)),
    "🐍": Thing(("🐍",)),
    "c++": Thing(("c++",)),
    "C#": Thing(("c#",)),
    "C": Thing(("c",)),
    ".NET": Thing((".net",), ("net",)),
    "asyncio.run(": Thing(("asyncio", "run"), ("asynciorun",)),
    "asyncio": Thing(("asyncio",)),
    "db.utils.OperationalError:": Thing(
        ("db", "utils", "operationalerror"), ("operational", "error", "dbutilsoperationalerror")
    ),
    "KeyError": Thing(("keyerror",), ("key", "error")),
    "node.js": Thing(("node", "js"), ("nodejs",)),
    "nodejs": Thing(("nodejs",)),
    "e-mail": Thing(("e", "mail"), ("email",)),
    "std::vector": Thing(("std", "vector"), ("stdvector",)),
    "select_related": Thing(("select", "related"), ("selectrelated",)),
}
# Without spaces: what can be cut out of each, letter by letter as people see letters.
UNSPACED = {
    "日本語": ["日", "本", "語"],
    "検索エンジン": ["検", "索", "エ", "ン", "ジ", "ン"],
    "日記": ["日", "記"],
    "한국어": ["한", "국", "어"],
    "สวัสดี": ["ส", "วั", "ส", "ดี"],
}
TAGS = {
    "python": [Thing(("python",)), Thing(("py",))],
    "c++": [Thing(("c++",)), Thing(("cpp",))],
    "machine-learning": [Thing(("machine", "learning"), ("machinelearning",))],
    "検索": [],
    "node.js": [SPACED["node.js"]],
}
SYNONYMS = {"py": "python", "cpp": "c++"}


@dataclass
class Page:
    """A ticket as the oracle sees it: texts as lists of what was written."""

    texts: list[list[str]]
    tags: list[str]

    def things(self):
        for text in self.texts:
            yield from (SPACED[written] for written in text if written in SPACED)
        for tag in self.tags:
            yield from TAGS[tag]

    def streams(self):
        """The words of each text in their order, with None where something without spaces stands between."""
        for text in self.texts:
            yield [word for it in text for word in (SPACED[it].words if it in SPACED else (None,))]
        for tag in self.tags:
            for thing in TAGS[tag]:
                yield list(thing.words)

    def runs(self):
        yield from (UNSPACED[it] for text in self.texts for it in text if it in UNSPACED)
        yield from (list(tag) for tag in self.tags if tag == "検索")


def has_word(word):
    """In any inflection."""
    wanted = FAMILY.get(word, {word})
    return lambda page: any(wanted & {*thing.words, *thing.also} for thing in page.things())


def has_phrase(words, *, begins=False):
    def found(page):
        for stream in page.streams():
            for at in range(len(stream) - len(words) + 1):
                here = stream[at : at + len(words)]
                if None in here or here[:-1] != list(words[:-1]):
                    continue
                if here[-1] == words[-1] or (begins and here[-1].startswith(words[-1])):
                    return True
        return False

    return found


def has_letters(letters):
    def found(page):
        return any(
            run[at : at + len(letters)] == letters for run in page.runs() for at in range(len(run) - len(letters) + 1)
        )

    return found


def either(*conditions):
    return lambda page: any(condition(page) for condition in conditions)


class World:
    """The tickets, the oracle's view of them, and queries about them."""

    def __init__(self, seed, size):
        self.chance = random.Random(seed)
        self.pages = {}
        student, max = UserFactory(), TicketFactory(closed=True).mentor
        Ticket.objects.update(status=Ticket.Status.DELETED, solution=None)
        tags = {name: TagFactory(name=name) for name in TAGS}
        TagSynonym.objects.bulk_create(TagSynonym(name=name, tag=tags[tag]) for name, tag in SYNONYMS.items())
        for _ in range(size):
            title, description, solution, useful = (self.writing(*size) for size in [(2, 6), (4, 25), (1, 15), (0, 8)])
            names = self.chance.sample(sorted(TAGS), self.chance.randrange(1, 4))
            ticket = TicketFactory(
                closed=True,
                student=student,
                mentor=max,
                title=self.joined(title),
                description=self.joined(description),
                solution_text=self.joined(solution),
                tags=names,
            )
            ReplyFactory(ticket=ticket, kind=Reply.Kind.REPLY, is_useful=True, text=self.joined(useful))
            self.pages[ticket.pk] = Page([title, description, solution, useful], names)
        index_tickets(self.pages)

    def writing(self, least, most):
        written = [*SPACED, *UNSPACED]
        # Some are far more frequent than others, as words are.
        weights = [1 / (1 + at % 17) for at in range(len(written))]
        return self.chance.choices(written, weights, k=self.chance.randrange(least, most))

    def joined(self, things):
        return "".join(
            thing + self.chance.choice([" ", " ", " ", ", ", "\n", " (", ") ", ' "', ". ", " — "]) for thing in things
        )

    def condition(self):
        """(What somebody types, what it means), one word or phrase of it."""
        make = self.chance.choice(
            [
                self.word,
                self.word,
                self.word,
                self.written,
                self.phrase,
                self.quoted,
                self.beginning,
                self.letters,
                self.tag,
            ]
        )
        return make()

    def word(self):
        word = self.chance.choice(PLAIN + ["nodejs", "operational", "key", "net", "js", "py", "cpp", "nowhere"])
        return self.chance.choice([word, word.upper(), word.title(), f"({word})", f"{word},"]), has_word(word)

    def written(self):
        written = self.chance.choice(list(SPACED))
        words = SPACED[written].words
        if len(words) == 1:
            return written, has_word(words[0])
        return written, either(has_phrase(words), has_word("".join(words)))

    def phrase(self):
        """Two or three words that stand side by side somewhere."""
        page = self.pages[self.chance.choice(list(self.pages))]
        text = [it for it in self.chance.choice(page.texts) if it in SPACED] or ["python"]
        at = self.chance.randrange(len(text))
        return self.quoted(text[at : at + self.chance.randrange(2, 4)])

    def quoted(self, written=None):
        written = written or self.chance.choices(list(SPACED), k=self.chance.randrange(1, 3))
        words = [word for it in written for word in SPACED[it].words]
        return f'"{" ".join(written)}"', has_phrase(words)

    def beginning(self):
        words = [word for thing in SPACED.values() for word in thing.words if word.isalpha() and len(word) > 2]
        word = self.chance.choice(words)
        start = word[: self.chance.randrange(2, len(word) + 1)]
        return f"{start}*", has_phrase([start], begins=True)

    def letters(self):
        run = self.chance.choice(list(UNSPACED.values()))
        start, end = sorted(self.chance.sample(range(len(run) + 1), 2))
        return self.chance.choice(["{}", '"{}"']).format("".join(run[start:end])), has_letters(run[start:end])

    def tag(self):
        name = self.chance.choice([*TAGS, *SYNONYMS, "no-such-tag"])
        real = SYNONYMS.get(name, name)
        return self.chance.choice(["tag:{}", 'tag:"{}"', "TAG:{}"]).format(name), lambda page: real in page.tags

    def query(self):
        """(Text, which pages it should find.)"""
        texts, required, forbidden = [], [], []
        for _ in range(self.chance.choice([1, 1, 2, 2, 3, 4])):
            text, condition = self.condition()
            kind = self.chance.random()
            if kind < 0.2 and " " not in text.strip() and "(" not in text:
                texts.append(f"-{text}")
                forbidden.append(condition)
            elif kind < 0.4:
                other, other_condition = self.condition()
                texts += [text, "OR", other]
                required.append(either(condition, other_condition))
            else:
                texts.append(text)
                required.append(condition)
        expected = {
            pk
            for pk, page in self.pages.items()
            if all(condition(page) for condition in required) and not any(condition(page) for condition in forbidden)
        }
        return " ".join(texts), expected


def test_queries_find_exactly_what_they_mean():
    world = World(seed=20261121, size=90)
    rows, sizes, wrong = Ticket.objects.articles(), [], []
    for _ in range(QUERIES):
        text, expected = world.query()
        results = search_tickets(rows, text)
        if set(results.ids) != expected or results.is_capped:
            wrong.append((text, set(results.ids) - expected, expected - set(results.ids)))
        sizes.append(len(expected))
    assert wrong == []
    # Were most of them empty, or all the same, the comparison would say little.
    assert sum(0 < size < 90 for size in sizes) > QUERIES / 2
    assert len(set(sizes)) > 40


def test_oracle_notices_a_wrong_answer():
    """The comparison above would fail if a document were missing from the index, or too much were in it."""
    world = World(seed=7, size=12)
    (first, second), changed = list(world.pages)[:2], 0
    world.pages[first], world.pages[second] = world.pages[second], world.pages[first]
    for _ in range(100):
        text, expected = world.query()
        changed += set(search_tickets(Ticket.objects.articles(), text).ids) != expected
    assert changed > 10


def test_nothing_that_can_be_typed_breaks_the_engine():
    World(seed=1, size=3)
    chance = random.Random(3)
    rows = Ticket.objects.articles()
    found = 0
    for _ in range(amount(300, 2_000, 200_000)):
        found += bool(len(search_tickets(rows, random_query(chance))))
    assert found > 3  # random, but not so random that the engine is never asked


@pytest.mark.parametrize("pair", [("run", "runs"), ("runs", "RUNNING")])
def test_inflections_find_each_other(pair):
    world = World(seed=5, size=20)
    found = [search_tickets(Ticket.objects.filter(pk__in=world.pages), word).ids for word in pair]
    assert found[0]
    assert sorted(found[0]) == sorted(found[1])
