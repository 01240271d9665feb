"""Asking the JSON API as a program does."""

import itertools
import json

from django.test import Client
from django.utils import timezone

from accounts.actions import create_personal_token, start_session
from mentorbook.errors import Refused

_numbers = itertools.count(1)


def token_of(person):
    """An access token of a session of `person`."""
    return start_session(person, now=timezone.now()).access_token


def personal_token(person, scope="write"):
    name = f"Script {next(_numbers)}"
    _token, secret = create_personal_token(by=person, name=name, scope=scope, valid_days=30, now=timezone.now())
    return secret


def ask(method, path, body=None, *, by=None, token=None, **headers):
    """The response to a program of `by` (or with `token`, or of nobody); `body` is sent as JSON."""
    if by is not None:
        token = token_of(by)
    if token:
        headers["authorization"] = f"Bearer {token}"
    content = body if isinstance(body, (bytes, str)) else "" if body is None else json.dumps(body)
    return Client().generic(method, path, content, "application/json", headers=headers)


def told(response):
    """Status and code of a refusal, or status and the answer: what a test compares."""
    answer = response.json() if response.content else None
    if response.status_code >= 400:
        return response.status_code, answer["code"]
    return response.status_code, answer


def refusals_in(*modules):
    """Every kind of refusal that is written in one of `modules` (or below it), however it is derived; none of tests."""
    found, todo = set(), [Refused]
    while todo:
        kinds = todo.pop().__subclasses__()
        todo += kinds
        found |= {kind for kind in kinds if kind.__module__.startswith(modules) and ".tests." not in kind.__module__}
    return found
