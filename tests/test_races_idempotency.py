"""Many programs' requests at once under one key. The check is run a second time without the keys, and against a memory
that does not wait, to prove that it would notice."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from accounts import idempotency
from accounts.models import IdempotentAnswer, ProjectGroup
from accounts.tests.factories import UserFactory
from tests.programs import token_of

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

AT_ONCE = 20


def at_once(calls):
    """What `calls` answer, each in a thread and on a connection of its own, started together."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        try:
            connection.ensure_connection()
            barrier.wait(timeout=60)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def found_group(token, key=None, name="Thesis"):
    """Ask for a project group: twice is two, there is no rule against it."""
    headers = {"authorization": f"Bearer {token}"} | ({"idempotency-key": key} if key else {})
    body = json.dumps({"name": name})
    response = Client(raise_request_exception=False).post(
        "/api/project-groups/", body, "application/json", headers=headers
    )
    return response.status_code, response.content


@pytest.fixture
def token():
    return token_of(UserFactory())


def test_twenty_at_once_with_one_key_have_one_effect_and_one_answer(token):
    answers = at_once([lambda: found_group(token, "once")] * AT_ONCE)
    assert {status for status, _content in answers} == {201}
    assert len({content for _status, content in answers}) == 1
    assert ProjectGroup.objects.count() == 1
    assert IdempotentAnswer.objects.count() == 1


def test_without_a_key_each_has_its_effect(token):
    """The negative control: nothing else than the key keeps twenty requests from founding twenty groups."""
    answers = at_once([lambda: found_group(token)] * 5)
    assert {status for status, _content in answers} == {201}
    assert ProjectGroup.objects.count() == 5


def test_a_memory_that_does_not_wait_would_be_noticed(token, monkeypatch):
    """The negative control: looking first and writing down afterwards lets several through."""

    def careless(self, request, key, fingerprint, now):
        response = self.get_response(request)
        IdempotentAnswer.objects.get_or_create(
            user=request.user,
            key=key,
            defaults={
                "fingerprint": fingerprint,
                "created_at": now,
                "status": response.status_code,
                "body": response.content.decode(),
            },
        )
        return response

    monkeypatch.setattr(idempotency.IdempotencyMiddleware, "_work", careless)
    for attempt in range(5):
        before = ProjectGroup.objects.count()
        at_once([lambda attempt=attempt: found_group(token, f"careless-{attempt}")] * AT_ONCE)
        if ProjectGroup.objects.count() - before > 1:
            return
    pytest.fail("Five rounds without the memory's lock, and each had one effect only: the check sees nothing.")


def test_two_contents_under_one_key_have_one_effect(token):
    answers = at_once(
        [lambda name=name: found_group(token, "mixed", name=name) for name in ("One", "Two") for _ in range(6)]
    )
    founded = ProjectGroup.objects.get()
    statuses = [status for status, _content in answers]
    assert sorted(statuses) == [201] * 6 + [422] * 6
    assert {json.loads(content)["name"] for status, content in answers if status == 201} == {founded.name}


def test_people_with_the_same_key_do_not_meet():
    tokens = [token_of(UserFactory()) for _ in range(6)]
    answers = at_once([lambda token=token: found_group(token, "ours") for token in tokens])
    assert [status for status, _content in answers] == [201] * 6
    assert ProjectGroup.objects.count() == 6
