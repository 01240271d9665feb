"""Nothing that a program sends may end in an error of ours; see `test_hostile_input` for the pages.

The fields are read off the API's description. Every field of every operation meets a part of `hostile.VALUES` and of
the values that only JSON can say, the same part each time; with MENTORBOOK_THOROUGH=all every one of them.
"""

import json
from urllib.parse import unquote_to_bytes

import pytest

from tests.api_world import (
    ApiWorld,
    address,
    body_of,
    description,
    example_of,
    fields_of,
    operations,
    quiet,
    with_value,
)
from tests.hostile import LEGAL, QUERIES, VALUES
from tests.programs import ask
from tests.test_hostile_input import pages, some
from tests.thoroughness import amount

pytestmark = pytest.mark.django_db

# What JSON can say beyond text; written as it is sent, for half of it is nothing that Python writes.
LITERALS = {
    "null": "null",
    "true": "true",
    "minus one": "-1",
    "zero": "0",
    "2^15": str(2**15),
    "2^31": str(2**31),
    "2^63": str(2**63),
    "-2^63": str(-(2**63) - 1),
    "5000 digits": "9" * 5_000,
    "fraction": "0.5",
    "1e400": "1e400",
    "NaN": "NaN",
    "infinity": "-Infinity",
    "list": "[]",
    "list of everything": '[null, 1, "x", [], {}]',
    "500 items": json.dumps(list(range(500))),
    "object": "{}",
    "object in objects": '{"a": {"b": {"c": [1]}}}',
    "nested": "[" * 900 + "]" * 900,
    "lone surrogate": r'"\ud800"',
    "surrogates": r'"\udfff\ud800"',
    "NUL": r'"a\u0000b"',
    "same key twice": '{"x": 1, "x": 2}',
}
# Whole bodies.
BODIES = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"text"',
    "a number": b"1e999",
    "not JSON": b"title=Loop&tags=python",
    "half": b'{"title": "Lo',
    "two": b"{}{}",
    "not UTF-8": b'{"title": "\xff\xfe"}',
    "UTF-16": '{"title": "x"}'.encode("utf-16"),
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "unknown fields": b'{"price_points": 0, "owner_id": 1, "status": "confirmed", "balance_points": 9, "__class__": 1}',
    "long": b'{"title": "' + b"x" * 1_000_000 + b'"}',
}
MARK = "<<HERE>>"


@pytest.fixture
def world(db, monkeypatch):
    quiet(monkeypatch)
    return ApiWorld()


def in_json(written):
    """A value of `hostile.VALUES` as JSON writes it; what is no text is kept as lone surrogates."""
    return json.dumps(unquote_to_bytes(written).decode("utf-8", "surrogateescape"))


JSON_VALUES = {name: in_json(written) for name, written in VALUES.items()} | LITERALS


def person_for(path):
    """Who gets furthest with it: the mentor with what mentors do, the student with the rest."""
    of_mentors = ("/confirm", "/decline", "/no-show", "/availability", "/status", "/accept", "/release", "/resolve")
    return "max" if path.endswith(of_mentors) or "/me/expertise" in path else "ann"


def in_bodies(world):
    """(method, path, what, body as a document with MARK in it) for every field of every body."""
    described = description()
    for number, (method, path, operation) in enumerate(operations(described)):
        schema = body_of(described, operation)
        for place in dict.fromkeys(fields_of(schema)) if schema else ():
            document = json.dumps(with_value(example_of(schema), place, MARK))
            yield method, address(path, world.ids, number), place, document


def in_queries(world):
    """(path, name) for every parameter of every list."""
    for number, (method, path, operation) in enumerate(operations()):
        for parameter in operation.get("parameters", []):
            if method == "GET" and parameter["in"] == "query":
                yield address(path, world.ids, number), parameter["name"]


def fault(world, method, path, **sent):
    """What is wrong with the answer, or None: an error of ours, or no JSON."""
    response = world.call(person_for(path), method, path, **sent)
    is_json = response.status_code in (204, 304) or response.get("Content-Type", "").startswith("application/json")
    return None if response.status_code < 500 and is_json else response.status_code


def test_no_value_in_any_field_is_an_error_of_ours(world):
    places = list(in_bodies(world))
    assert len(places) > 60, "the operations' fields are not found any more"
    pairs = [(*place, name) for place in places for name in JSON_VALUES]
    wrong = []
    for method, path, place, document, name in some(pairs, amount(150, 500)):
        content = document.replace(json.dumps(MARK), JSON_VALUES[name])
        if status := fault(world, method, path, content=content):
            wrong.append(f"{method} {path} {place} = {name}: {status}")
    assert not wrong, "\n".join(wrong)
    assert_pages_open(world)


def test_no_body_as_a_whole_is_an_error_of_ours(world):
    found = [(method, address(path, world.ids)) for method, path, _operation in operations()]
    pairs = [(method, path, name) for method, path in found if method != "GET" for name in BODIES]
    wrong = []
    for method, path, name in some(pairs, amount(60, 150)):
        if status := fault(world, method, path, content=BODIES[name]):
            wrong.append(f"{method} {path} {name}: {status}")
    assert not wrong, "\n".join(wrong)


def test_no_query_is_an_error_of_ours(world):
    places = list(in_queries(world))
    assert len(places) > 30, "the lists' parameters are not found any more"
    pairs = [(path, name, f"{name}={value}") for path, name in places for value in VALUES.values()]
    pairs += [(path, name, query.replace("{name}", name)) for path, name in places for query in QUERIES.values()]
    wrong = []
    for path, _name, query in some(pairs, amount(100, 300)):
        if status := fault(world, "GET", f"{path}?{query}"):
            wrong.append(f"{path}?{query[:100]}: {status}")
    assert not wrong, "\n".join(wrong)


def test_no_id_in_an_address_is_an_error_of_ours(world):
    ids = ["0", "-1", "1.0", "x", "%00", "%ED%A0%80", "..", "%2e%2e%2f", str(2**31), str(2**63), "9" * 400, "١٢"]
    found = [(method, path) for method, path, _operation in operations() if "{" in path]
    pairs = [(method, path, bad) for method, path in found for bad in ids]
    wrong = []
    for method, path, bad in some(pairs, amount(100, 300)):
        begin, _brace, rest = path.partition("{")
        here = address(begin + bad + rest.partition("}")[2], world.ids)
        if status := fault(world, method, here):
            wrong.append(f"{method} {here}: {status}")
    assert not wrong, "\n".join(wrong)


def test_what_legal_text_leaves_behind_is_shown_as_what_it_is(world):
    """Whatever the API takes is somewhere on a page: each of those pages still opens, and nothing in it is alive."""
    person = world.people["ann"]
    for name, text in LEGAL.items():
        for path, body in {
            "/api/tickets/": {"title": f"Title {text}"[:150], "description": text, "tags": ["python"]},
            "/api/project-groups/": {"name": f"Group {name}", "description": text},
        }.items():
            response = ask("POST", path, body, by=person)
            assert response.status_code in (201, 409, 422), response.content
    assert_pages_open(world)


def test_an_error_of_ours_is_noticed(world, monkeypatch):
    monkeypatch.setattr("accounts.api.edit_profile", lambda *args, **fields: 1 / 0)
    assert fault(world, "PUT", "/api/auth/me", body={"name": "Ann"}) == 500


def assert_pages_open(world):
    """As the people whom the pages belong to, after all that was sent."""
    wrong = []
    for person, page in pages(world):
        response = world.ask(person, "GET", page)
        if response.status_code >= 500 or b"<script>alert(1)" in response.content_as_read:
            wrong.append(f"{page} by {person}: {response.status_code}")
    assert not wrong, "\n".join(wrong)
