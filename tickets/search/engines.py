"""The two full-text engines behind one vocabulary. Both store and compare the plain words of `documents` as they are:
FTS5 splits at spaces, PostgreSQL gets ready-made vectors. Neither parser ever sees a text that somebody typed."""

from collections.abc import Iterable
from datetime import UTC, datetime

from tickets.search.documents import GAP, Document
from tickets.search.query import Query, Sought

TABLE = "tickets_search"
MERGED_UP_TO = 200_000  # documents
# The index itself is the engines' business; these are the same for both.
SIDE_TABLES = {
    "tickets_search_words": "word varchar(64) PRIMARY KEY, documents integer NOT NULL",
    "tickets_search_state": "name varchar(40) PRIMARY KEY, value text NOT NULL",
    "tickets_search_stale": "ticket_id bigint PRIMARY KEY",
}


class Engine:
    id_column: str
    of_document: str  # the same, with the table's name
    counted: str  # a table with as many rows

    def create(self, cursor):
        """Make the tables that are missing."""
        for name, columns in SIDE_TABLES.items():
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")

    def drop(self, cursor):
        for name in [TABLE, *SIDE_TABLES]:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")

    def remove(self, cursor, ids: Iterable[int]):
        cursor.executemany(f"DELETE FROM {TABLE} WHERE {self.id_column} = %s", [(pk,) for pk in ids])  # noqa: S608


class Sqlite(Engine):
    id_column = "rowid"
    counted = f"{TABLE}_docsize"  # has a narrow row a document, beside the table of texts
    of_document = f"{TABLE}.rowid"

    def create(self, cursor):
        super().create(cursor)
        # "ascii" takes every character beyond ASCII for a letter: Unicode is settled before it comes here.
        cursor.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5("
            """title, tags, body, fingerprint UNINDEXED, tokenize = "ascii tokenchars '+#.~@'")"""
        )

    def moment(self, stored: str) -> datetime:
        """A point in time as the database gives it to those who ask without Django's models."""
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)

    def lock(self, cursor, ids):
        """Nothing: a transaction that writes has the database to itself."""

    def write(self, cursor, documents: Iterable[tuple[int, Document, str]]):
        cursor.executemany(
            f"INSERT OR REPLACE INTO {TABLE}"  # noqa: S608
            " (rowid, title, tags, body, fingerprint) VALUES (%s, %s, %s, %s, %s)",
            [(pk, it.title, it.tags, it.body, fingerprint) for pk, it, fingerprint in documents],
        )

    def fingerprints(self, cursor, ids) -> dict[int, str]:
        places = ", ".join(["%s"] * len(ids))
        cursor.execute(f"SELECT rowid, fingerprint FROM {TABLE} WHERE rowid IN ({places})", list(ids))  # noqa: S608
        return dict(cursor.fetchall())

    def tidy(self, cursor):
        """Merge the index into one piece, which makes searches faster; a large one stays in the dozen pieces that
        writing leaves, because merging these takes longer than writing did (a million tickets: more than ten minutes)
        and searching them is quick enough."""
        cursor.execute(f"SELECT count(*) FROM {self.counted}")  # noqa: S608
        if cursor.fetchone()[0] <= MERGED_UP_TO:
            cursor.execute(f"INSERT INTO {TABLE} ({TABLE}) VALUES ('optimize')")  # noqa: S608

    def newest_first(self, query: Query) -> str:
        """What to order by; FTS5 finds in this order and stops when there are enough."""
        return f"{self.of_document} DESC"

    def condition(self, query: Query, *, in_heading=False) -> tuple[str, list[str]]:
        """SQL that lets through the documents that `query` finds; in title and tags alone where it says so."""
        found = " AND ".join(self._any(group) for group in query.groups) or f'"{GAP}"'
        if in_heading:
            found = f"{{title tags}} : ({found})"
        if query.without:
            found = f"({found}) NOT {self._any(query.without)}"
        return f"{TABLE} MATCH %s", [found]

    def _any(self, alternatives) -> str:
        return f"({' OR '.join(self._one(sought) for sought in alternatives)})"

    def _one(self, sought: Sought) -> str:
        phrase = f'"{" ".join(sought.words)}"' + (" *" if sought.is_prefix else "")
        return f'{phrase} OR "{sought.joined}"' if sought.joined else phrase


class Postgresql(Engine):
    id_column = "ticket_id"
    counted = TABLE
    of_document = f"{TABLE}.ticket_id"

    def create(self, cursor):
        super().create(cursor)
        # No foreign key: Django empties its tables in tests with TRUNCATE, which a foreign key from here would forbid.
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {TABLE} (ticket_id bigint PRIMARY KEY, title text NOT NULL,"
            " tags text NOT NULL, heading tsvector NOT NULL, terms tsvector NOT NULL, fingerprint text NOT NULL)"
        )
        # Phrases are checked document by document; a vector that is stored elsewhere costs four times as much to read.
        cursor.execute(f"ALTER TABLE {TABLE} ALTER COLUMN terms SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160)")
        for column in ("heading", "terms"):
            cursor.execute(f"CREATE INDEX IF NOT EXISTS {TABLE}_{column} ON {TABLE} USING gin ({column})")

    def moment(self, stored: datetime) -> datetime:
        return stored

    def lock(self, cursor, ids):
        """Let nobody else write these documents until this transaction ends: what is read next is then the newest."""
        cursor.execute(
            f"SELECT FROM {TABLE} WHERE ticket_id = ANY(%s) ORDER BY ticket_id FOR UPDATE",
            [sorted(ids)],
        )

    def write(self, cursor, documents: Iterable[tuple[int, Document, str]]):
        cursor.executemany(
            f"INSERT INTO {TABLE} (ticket_id, title, tags, heading, terms, fingerprint)"  # noqa: S608
            " VALUES (%s, %s, %s, %s::tsvector, %s::tsvector, %s) ON CONFLICT (ticket_id) DO UPDATE SET"
            " (title, tags, heading, terms, fingerprint) ="
            " (excluded.title, excluded.tags, excluded.heading, excluded.terms, excluded.fingerprint)",
            [
                (pk, it.title, it.tags, vector(it.title, it.tags), vector(it.title, it.tags, it.body), fingerprint)
                for pk, it, fingerprint in documents
            ],
        )

    def fingerprints(self, cursor, ids) -> dict[int, str]:
        cursor.execute(
            f"SELECT ticket_id, fingerprint FROM {TABLE} WHERE ticket_id = ANY(%s)",  # noqa: S608
            [list(ids)],
        )
        return dict(cursor.fetchall())

    def tidy(self, cursor):
        """Tell the planner how frequent words are."""
        cursor.execute(f"ANALYZE {TABLE}")

    def newest_first(self, query: Query) -> str:
        """What to order by. The planner takes a phrase for as frequent as its words and would look for it in one
        document after the other, from the newest on; so where there is one, the order must not tempt it."""
        phrases = any(len(sought.words) > 1 for group in query.groups for sought in group)
        return f"{self.of_document}{' + 0' if phrases else ''} DESC"

    def condition(self, query: Query, *, in_heading=False) -> tuple[str, list[str]]:
        """SQL that lets through the documents that `query` finds; in title and tags alone where it says so."""
        found = [self._any(group) for group in query.groups] or [_quoted(GAP)]
        without = [f"!{self._any(query.without)}"] if query.without else []
        if in_heading:
            sql, parameters = f"{TABLE}.heading @@ %s::tsquery", [" & ".join(found)]
            if without:
                sql, parameters = f"{sql} AND {TABLE}.terms @@ %s::tsquery", [*parameters, *without]
            return sql, parameters
        return f"{TABLE}.terms @@ %s::tsquery", [" & ".join([*found, *without])]

    def _any(self, alternatives) -> str:
        return f"({' | '.join(self._one(sought) for sought in alternatives)})"

    def _one(self, sought: Sought) -> str:
        phrase = " <-> ".join(_quoted(word) for word in sought.words) + (":*" if sought.is_prefix else "")
        return f"{phrase} | {_quoted(sought.joined)}" if sought.joined else phrase


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def vector(*fields: str) -> str:
    """A literal of type tsvector: the words with their places, the terms without."""
    places: dict[str, list[str]] = {}
    place = 0
    for field in fields:
        for word in field.split(" "):
            if word[:1] in ("~", "@") and word != GAP:
                places.setdefault(word, [])
            else:
                place += 1
                places.setdefault(word, []).append(str(place))
    places[GAP] = []
    return " ".join(f"{_quoted(word)}:{','.join(at)}" if at else _quoted(word) for word, at in places.items() if word)


ENGINES = {"sqlite": Sqlite(), "postgresql": Postgresql()}
