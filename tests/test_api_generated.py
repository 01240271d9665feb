"""Thousands of requests that Schemathesis makes up from the description, as a student, a mentor and staff.

Each is answered as the description says: a status that it names, in the shape that it names, and never an error of
ours. With MENTORBOOK_THOROUGH=all they are more than 10,000.
"""

import random

import pytest
import requests
import schemathesis
from django.http import JsonResponse
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api_world import ApiWorld, description, operations, quiet
from tests.thoroughness import amount

pytestmark = pytest.mark.django_db

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PEOPLE = ["ann", "max", "ada"]
REQUEST = ["method", "url", "headers", "params", "data", "json"]
# Of 0 to 1: how often an id that was made up is replaced by one of a row that is there.
REAL = 0.7


@pytest.fixture
def world(db, monkeypatch):
    quiet(monkeypatch)
    return ApiWorld()


def with_real_ids(world, place, chance):
    """`place`, a dict of what was made up for the address or the body, with ids of rows that are there in it."""
    if not isinstance(place, dict):
        return place
    changed = {}
    for name, value in place.items():
        known = world.ids.get(name)
        changed[name] = chance.choice(known) if known and chance.random() < REAL else value
    return changed


def send(world, case, person):
    """Ask as `person`; what was answered, as a program's library sees it. What it did is undone: the next request
    finds the same house."""
    kwargs = case.as_transport_kwargs(headers={"Authorization": f"Bearer {world.tokens[person]}"})
    prepared = requests.Request(**{name: kwargs[name] for name in REQUEST if name in kwargs}).prepare()
    headers = {
        name: value for name, value in prepared.headers.items() if name not in ("Content-Type", "Content-Length")
    }
    got = world.call(
        person,
        prepared.method,
        prepared.path_url,
        content=prepared.body or b"",
        **{name: value if isinstance(value, str) else value.decode("latin-1") for name, value in headers.items()},
    )
    answer = Response(
        status_code=got.status_code,
        headers={name.lower(): [value] for name, value in got.headers.items()},
        content=got.content,
        request=prepared,
        elapsed=0.0,
        verify=False,
    )
    return answer


@pytest.mark.parametrize("person", PEOPLE)
def test_whatever_is_made_up_from_the_description_is_answered_as_it_says(world, person):
    each = amount(1, 2, 25)
    faults, asked = [], 0
    for operation in made_up_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            found, count = try_out(world, operation, mode, person, each)
            faults, asked = faults + found, asked + count
    assert not faults, f"{len(faults)} of {asked}:\n" + "\n\n".join(faults[:10])
    # Some operations take so little that there is no more to make up.
    assert asked >= each * len(list(operations()))


def test_an_error_of_ours_and_an_answer_of_another_shape_are_noticed(world, monkeypatch):
    change_me = next(each for each in made_up_operations() if each.label == "PUT /api/auth/me")
    monkeypatch.setattr("accounts.api.edit_profile", lambda *args, **fields: 1 / 0)
    faults, _asked = try_out(world, change_me, GenerationMode.POSITIVE, "ann", 5)
    assert any("Server error" in fault for fault in faults)
    monkeypatch.setattr("accounts.api.edit_profile", lambda *args, **fields: JsonResponse({"id": "ann"}))
    faults, _asked = try_out(world, change_me, GenerationMode.POSITIVE, "ann", 5)
    assert any("schema" in fault for fault in faults)


def made_up_operations():
    schema = schemathesis.openapi.from_dict(description())
    schema.config.update(base_url="http://testserver")
    for result in schema.get_all_operations():
        yield result.ok()


def try_out(world, operation, mode, person, each):
    """The faults found in at most `each` requests of one kind to one operation, and how many there were."""
    faults = []
    chance = random.Random(f"{operation.label} {mode} {person}")
    asked = 0

    @seed(20261122)
    @settings(
        max_examples=each,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        nonlocal asked
        asked += 1
        case.path_parameters = with_real_ids(world, case.path_parameters, chance)
        case.body = with_real_ids(world, case.body, chance)
        try:
            case.validate_response(send(world, case, person), checks=CHECKS)
        except FailureGroup as group:
            faults.extend(f"{operation.label} by {person}: {failure}" for failure in group.exceptions)

    ask()
    return faults, asked
