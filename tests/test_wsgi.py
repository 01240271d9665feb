"""What the pages' server is given: whole requests or none."""

import io

import pytest
from django.test import RequestFactory

from mentorbook.wsgi import application

pytestmark = pytest.mark.django_db

TOKEN = "a" * 32


def status_of(body, *, announced):
    """The answer to a sign-in form, sent by a script so that its token does not depend on the body."""
    request = RequestFactory(headers={"X-CSRFToken": TOKEN, "Cookie": f"csrftoken={TOKEN}"}).post("/accounts/login/")
    form = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(announced)}
    environ = {**request.environ, **form, "wsgi.input": io.BytesIO(body)}
    statuses = []
    application(environ, lambda status, headers: statuses.append(status[:3])).close()
    return statuses


def test_a_whole_form_is_read():
    body = b"login=ann%40example.org"
    assert status_of(body, announced=len(body)) == ["422"]


@pytest.mark.parametrize("body", [b"", b"login=ann", b"login=ann%40example.or"])
def test_a_form_that_was_cut_off_does_nothing(body):
    assert status_of(body, announced=23) == ["400"]
