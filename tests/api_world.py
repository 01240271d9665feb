"""Every operation of the JSON API, and the house with everybody in it that they are asked about."""

import copy
import itertools
import json
import logging

from django.core.cache import cache
from django.db import transaction
from django.test import Client

from accounts.models import User
from bookings.models import Appointment
from bookings.tests.factories import rich, works_every_day
from mentorbook.api import api
from mentors.models import MentorProfile
from tests.programs import token_of
from tests.test_permissions import MISSING, World

PEOPLE = ["ann", "max", "sam", "otto", "eve", "ada"]


class ApiWorld(World):
    """The world of the pages, with a token for everybody in it."""

    def __init__(self):
        super().__init__()
        people = {user.name: user for user in User.objects.all()}
        self.people = people
        self.tokens = {name: token_of(people[name]) for name in [*PEOPLE, "closed"]}
        self.tokens["visitor"] = None
        for name in ("ann", "sam"):
            rich(people[name])
        works_every_day(MentorProfile.objects.get(user=people["max"]), 6 * 60, 22 * 60)
        self.program = Client(raise_request_exception=False)
        self.named["word"] = (["django"], {})
        # What stands in an address in place of `{mentor_id}` and so on: rows that are there, each for something else.
        appointments = list(Appointment.objects.order_by("id").values_list("pk", flat=True))
        first = {name: args[0] for name, (args, _query) in self.named.items() if args}
        self.ids = {
            "mentor_id": [first["max"], first["nora"]],
            "appointment_id": appointments,
            "ticket_id": [first["open"], first["taken"], first["solved"], first["article"]],
            "article_id": [first["article"], first["solved"]],
            "group_id": [first["team"]],
            "project_group_id": [first["team"]],
            "invitation_id": [first["team-way"]] if "team-way" in first else [],
            "notification_id": [first["notice"]],
            "student_id": [first["ann"], people["sam"].pk],
            "user_id": [first["ann"], people["max"].pk],
            "member_id": [people["max"].pk],
            "reply_id": [first["answer"]],
        }

    def call(self, person, method, path, body=None, *, content=None, token=None, **headers):
        """The response to a program of `person`; whatever it did is undone."""
        cache.clear()  # of how often something was tried
        if token := token or self.tokens[person]:
            headers["authorization"] = f"Bearer {token}"
        if content is None:
            content = "" if body is None else json.dumps(body)
        with transaction.atomic():
            response = self.program.generic(method, path, content, "application/json", headers=headers)
            transaction.set_rollback(True)
        return response


def quiet(monkeypatch):
    """Without a line in the log for every refusal, and without the test client's record of every template."""
    monkeypatch.setattr("django.test.client.store_rendered_templates", lambda *args, **kwargs: None)
    # A filter, because a logger remembers what its level let through, and would go on after it is set back.
    monkeypatch.setattr(logging.getLogger("django.request"), "filters", [lambda line: line.levelno >= logging.ERROR])


def description() -> dict:
    """The OpenAPI description as programs read it."""
    return json.loads(json.dumps(api.get_openapi_schema()))


def operations(described=None):
    """(method, path with `{names}`, operation) of everything that the API does."""
    for path, methods in (described or description())["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(described, schema, depth=0):
    """`schema` with what it refers to in its place, to a depth at which no schema of ours refers to itself."""
    if isinstance(schema, list):
        return [resolved(described, each, depth) for each in schema]
    if not isinstance(schema, dict) or depth > 12:
        return schema
    if reference := schema.get("$ref"):
        target = described
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        return resolved(described, {**target, **{k: v for k, v in schema.items() if k != "$ref"}}, depth + 1)
    return {key: resolved(described, each, depth + 1) for key, each in schema.items()}


def body_of(described, operation):
    """The schema of what an operation wants in its body, resolved, or None."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    schema = resolved(described, content["schema"])
    for choice in schema.get("anyOf", []):
        if choice.get("type") == "object":
            return choice
    return schema


def fields_of(schema, path=()):
    """The path of every field in a body, those of objects in lists too: ("overrides", 0, "date")."""
    if schema.get("type") == "object" or "properties" in schema:
        for name, inner in schema.get("properties", {}).items():
            yield (*path, name)
            yield from fields_of(inner, (*path, name))
    elif schema.get("type") == "array":
        yield (*path, 0)
        yield from fields_of(schema.get("items", {}), (*path, 0))
    for choice in schema.get("anyOf", []):
        yield from fields_of(choice, path)


def example_of(schema):
    """A body that fits: the example of the schema, a copy of its own."""
    return copy.deepcopy((schema.get("examples") or [{}])[0])


def with_value(body, path, value):
    """`body` with `value` at `path`; what is missing on the way is made."""
    body = copy.deepcopy(body)
    here = body
    for part, following in itertools.pairwise(path):
        empty = [] if isinstance(following, int) else {}
        if isinstance(part, int):
            if not isinstance(here, list):
                return body
            while len(here) <= part:
                here.append(copy.deepcopy(empty))
            if type(here[part]) is not type(empty):
                here[part] = empty
        elif not isinstance(here.get(part), type(empty)):
            here[part] = empty
        here = here[part]
    if isinstance(path[-1], int):
        here[:] = [value]
    else:
        here[path[-1]] = value
    return body


def address(path, ids, number=0):
    """`path` with ids in it: the `number`th of each kind, or one that does not exist."""
    for name in [part.split("}")[0] for part in path.split("{")[1:]]:
        known = ids.get(name) or [MISSING]
        path = path.replace("{" + name + "}", str(known[number % len(known)]))
    return path
