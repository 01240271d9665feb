"""How the API behaves as a thing of HTTP, whichever operation is asked."""

import datetime as dt
import logging

import pytest
import time_machine
from django.core.cache import cache
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import include, path

from accounts import idempotency
from accounts.actions import create_group
from accounts.models import IdempotentAnswer, ProjectGroup, User
from accounts.tests.factories import PASSWORD
from tests.programs import ask, personal_token, token_of
from wallets import group_api

pytestmark = pytest.mark.django_db

ME = "/api/auth/me"
GROUPS = "/api/project-groups/"
OTHER_SITE = "https://app.example.org"


@pytest.fixture(autouse=True)
def _nobody_asked_yet():
    cache.clear()


@pytest.fixture
def token(ann):
    return token_of(ann)


def send(method, path, body="", content_type="application/json", **headers):
    """A request whose exceptions become answers, as they do on a server."""
    return Client(raise_request_exception=False).generic(method, path, body, content_type, headers=headers)


def problem(response):
    """Status and code of an error, which has the one shape of all errors."""
    assert response["Content-Type"].startswith("application/json"), response.content
    told = response.json()
    assert {"detail", "code", "field"} <= set(told)
    assert isinstance(told["detail"], str | list)
    assert response["X-Request-ID"]
    return response.status_code, told["code"]


# --- Addresses and methods --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "address",
    [
        "/api/",
        "/api/nowhere",
        "/api/mentors",  # without its slash
        "/api/auth/me/",  # with one too many
        "/api//auth/me",
        "/api/auth//me",
        "/api/%00",
        "/api/%ff%fe",
        "/api/%F0%9F%98%80",
        "/api/mentors/%2e%2e",
        "/api/mentors/-1",
        "/api/mentors/1e3",
        "/api/" + "x" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_there_is_404_in_json(method, address, debug, settings, token):
    settings.DEBUG = debug
    response = send(method, address, "" if method == "GET" else "{}", authorization=f"Bearer {token}")
    assert problem(response) == (404, "not_found")
    assert "Location" not in response


def test_a_method_that_an_address_does_not_take_is_405_and_says_which_it_takes(token):
    for method in ("DELETE", "PATCH", "POST", "TRACE", "BREW"):
        response = send(method, ME, authorization=f"Bearer {token}")
        assert problem(response) == (405, "method_not_allowed")
        assert response["Allow"] == "GET, HEAD, OPTIONS, PUT"
    assert send("HEAD", "/api/auth/signin")["Allow"] == "OPTIONS, POST"


def test_options_says_which_methods_an_address_takes():
    response = send("OPTIONS", ME)
    assert (response.status_code, response.content, response["Allow"]) == (204, b"", "GET, HEAD, OPTIONS, PUT")
    assert problem(send("OPTIONS", "/api/nowhere")) == (404, "not_found")


def test_head_is_get_without_the_body(token):
    whole, head = [send(method, ME, authorization=f"Bearer {token}") for method in ("GET", "HEAD")]
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", whole["ETag"])
    assert problem_status(send("HEAD", ME)) == 401


def problem_status(response):
    assert response.content == b""  # of HEAD
    return response.status_code


# --- Bodies -----------------------------------------------------------------------------------------------------------

DEEP = 100_000
MALFORMED = {
    "nothing closed": "{",
    "NaN": '{"name": NaN}',
    "Infinity": '{"name": -Infinity}',
    "100,000 lists": "[" * DEEP + "]" * DEEP,
    "100,000 objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "no UTF-8": b'{"name": "\xff"}',
    "a number of 5,000 digits": '{"name": ' + "9" * 5000 + "}",
    "two values": "{} {}",
    "a form": "name=x",
}
INVALID = {
    "half a character": '{"name": "\\ud800"}',
    "half a character in a list": '{"skills": ["\\ud800"]}',
    "half a character as a field": '{"\\ud800": 1}',
    "NUL": '{"name": "a\\u0000b"}',
    "NUL in a list": '{"skills": ["a\\u0000b"]}',
    "a number too large": '{"name": 1e999}',
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "a text": '"x"',
    "an unknown field": '{"price": 3}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_json_is_malformed(body, token):
    assert problem(send("PUT", ME, body, authorization=f"Bearer {token}")) == (422, "malformed")


@pytest.mark.parametrize("body", INVALID.values(), ids=INVALID)
def test_json_that_does_not_fit_is_invalid_and_not_repeated(body, token):
    response = send("PUT", ME, body, authorization=f"Bearer {token}")
    assert problem(response) == (422, "invalid_input")
    for each in response.json()["detail"]:
        assert set(each) == {"loc", "msg", "type"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=latin-1",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=\xff",
        "application/json; charset=nonsense",
        "text/xml",
        "nonsense",
        "",
    ],
)
def test_another_type_of_content_is_an_error_in_json(content_type, token):
    for method, address in (("POST", "/api/auth/signin"), ("PUT", ME), ("POST", GROUPS)):
        for key in ({}, {"idempotency-key": "a"}):
            status, code = problem(
                send(method, address, "name=x", content_type, authorization=f"Bearer {token}", **key)
            )
            assert (status, code) in [(422, "malformed"), (400, "malformed")], (method, address)


@pytest.mark.parametrize("megabytes", [3, 10, 40])
@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "long"}])
def test_a_body_that_is_too_long_is_413(megabytes, headers, token):
    body = '{"name": "' + "x" * megabytes * 2**20 + '"}'
    for method, address in (("PUT", ME), ("POST", GROUPS), ("POST", "/api/auth/signin")):
        response = send(method, address, body, authorization=f"Bearer {token}", **headers)
        assert problem(response) == (413, "too_large")


def test_a_length_that_is_no_number_is_413(token):
    response = Client().generic("PUT", ME, "{}", "application/json", CONTENT_LENGTH="many")
    assert problem(response) == (413, "too_large")


def test_the_body_of_a_get_is_of_no_interest(token):
    assert send("GET", ME, '{"a": 1}', authorization=f"Bearer {token}").status_code == 200
    assert send("GET", ME, "nonsense", authorization=f"Bearer {token}").status_code == 200


def test_too_many_parameters_are_an_error_in_json(token):
    query = "&".join(f"a{number}=1" for number in range(2000))
    assert problem(send("GET", f"{ME}?{query}", authorization=f"Bearer {token}")) == (400, "malformed")


def test_an_unknown_host_is_an_error_in_json():
    assert problem(send("GET", ME, host="evil.example")) == (400, "malformed")


# --- Our own faults ---------------------------------------------------------------------------------------------------


def breaks(request):
    raise ZeroDivisionError("something of ours")


def is_missing(request):
    raise Http404


told = []


def tells(request, status):
    """Something that is done, answered with `status`, and told others once it is saved."""
    transaction.on_commit(lambda: told.append("when it was saved"))
    return HttpResponse(status=status) if status == 204 else JsonResponse({"fine": True}, status=status)


urlpatterns = [
    path("api/tells/<int:status>", tells),
    path("api/breaks", breaks),
    path("api/is-missing", is_missing),
    path("", include("mentorbook.urls")),
]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_of_ours_is_500_in_json_and_in_the_log(debug, settings, caplog, token):
    settings.DEBUG = debug
    response = send("GET", "/api/breaks", authorization=f"Bearer {token}", **{"x-request-id": "find-me"})
    assert problem(response) == (500, "error")
    assert "something of ours" not in response.content.decode()
    assert response["X-Request-ID"] == "find-me"
    assert "ZeroDivisionError" in caplog.text
    assert problem(send("GET", "/api/is-missing", authorization=f"Bearer {token}")) == (404, "not_found")


def test_a_fault_inside_an_operation_is_500_in_json_and_in_the_log(monkeypatch, caplog, token):
    monkeypatch.setattr("accounts.api.edit_profile", lambda *args, **changes: breaks(None))
    response = send("PUT", ME, '{"name": "Anna"}', authorization=f"Bearer {token}")
    assert problem(response) == (500, "error")
    assert "ZeroDivisionError" in caplog.text


# --- Finding a request in the log -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["/", "/api/nowhere", "/nowhere/", ME, "/healthz", "/static/js/theme.js", "/api/docs"]
)
def test_every_answer_has_an_id_of_its_own(address):
    ids = {send("GET", address)["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3
    assert send("GET", address, **{"x-request-id": "proxy-17.a_B"})["X-Request-ID"] == "proxy-17.a_B"


@pytest.mark.parametrize(
    "forged", ["a\nERROR forged", "a\r\nSet-Cookie: x", "x" * 65, "", " ", "a b", "ä", "<b>", "a;b"]
)
def test_an_id_that_could_forge_the_log_is_replaced(forged):
    given = send("GET", "/api/nowhere", **{"x-request-id": forged})["X-Request-ID"]
    assert given != forged
    assert len(given) == 32


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        from mentorbook.tracing import RequestIdFilter

        self.addFilter(RequestIdFilter())
        self.seen = []

    def emit(self, record):
        self.seen.append((record.request_id, record.getMessage()))


def test_every_line_of_the_log_has_the_id_of_its_request():
    lines = Lines()
    logger = logging.getLogger("django.request")
    logger.addHandler(lines)
    try:
        for request_id in ("first", "second"):
            send("GET", "/api/nowhere", **{"x-request-id": request_id})
    finally:
        logger.removeHandler(lines)
    assert [request_id for request_id, _message in lines.seen] == ["first", "second"]


# --- Asking less ------------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_304(token, ann):
    first = ask("GET", ME, token=token)
    again = ask("GET", ME, token=token, **{"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["X-Request-ID"]
    ann.name = "Anna"
    ann.save(update_fields=["name"])
    changed = ask("GET", ME, token=token, **{"if-none-match": first["ETag"]})
    assert (changed.status_code, changed.json()["name"]) == (200, "Anna")


def test_an_answer_belongs_to_its_reader(token, sam):
    response = ask("GET", ME, token=token)
    assert {"private", "no-cache"} <= {each.strip() for each in response["Cache-Control"].split(",")}
    assert "authorization" in response["Vary"].lower()
    other = ask("GET", ME, by=sam, **{"if-none-match": response["ETag"]})
    assert (other.status_code, other.json()["email"]) == (200, sam.email)
    signed_out = ask("GET", ME, **{"if-none-match": response["ETag"]})
    assert problem(signed_out) == (401, "not_signed_in")


def test_errors_and_changes_have_no_etag(token):
    assert "ETag" not in ask("GET", "/api/nowhere", token=token)
    assert "ETag" not in ask("PUT", ME, {"name": "Anna"}, token=token)


# --- Who asks ---------------------------------------------------------------------------------------------------------


def test_a_cookie_of_the_pages_counts_for_nothing(client, ann):
    client.force_login(ann)
    assert client.get("/dashboard/").status_code == 200
    assert problem(client.get(ME)) == (401, "not_signed_in")
    changed = client.put(ME, '{"name": "Mallory"}', "application/json", headers={"origin": "https://evil.example"})
    assert problem(changed) == (401, "not_signed_in")
    assert problem(client.get(ME, headers={"authorization": "Bearer nonsense"})) == (401, "bad_token")


def test_the_token_counts_and_not_the_cookie_beside_it(client, ann, sam):
    client.force_login(ann)
    told = client.get(ME, headers={"authorization": f"Bearer {token_of(sam)}"}).json()
    assert told["email"] == sam.email


@pytest.mark.parametrize(
    "sent", ["Bearer", "Bearer ", "bearer x y", "Basic eDp4", "Bearer \xff", "Bearer " + "x" * 9000]
)
def test_a_header_that_is_no_token_lets_nobody_in(sent):
    response = send("GET", ME, authorization=sent)
    assert problem(response)[0] == 401
    assert response["WWW-Authenticate"] == "Bearer"


def test_no_answer_sets_a_cookie(ann):
    for response in (
        ask("POST", "/api/auth/signin", {"email": ann.email, "password": PASSWORD}),
        ask("GET", ME, by=ann),
        ask("GET", "/api/nowhere"),
        ask("GET", "/api/openapi.json"),
    ):
        assert not response.cookies


# --- Not too often ----------------------------------------------------------------------------------------------------


@pytest.fixture
def this_minute():
    """Stay in it: requests are counted by the minute of the clock."""
    with time_machine.travel(dt.datetime.now(dt.UTC).replace(second=20), tick=False):
        yield


def test_a_person_is_counted_over_all_tokens(settings, ann, sam, this_minute):
    settings.API_REQUESTS_PER_MINUTE = 3
    tokens = [token_of(ann), token_of(ann), personal_token(ann), personal_token(ann, "read")]
    responses = [ask("GET", ME, token=token) for token in tokens]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert problem(responses[-1]) == (429, "too_many_requests")
    assert responses[-1]["Retry-After"] == "40"
    assert ask("GET", ME, by=sam).status_code == 200


def test_a_minute_later_one_may_ask_again(settings, token):
    settings.API_REQUESTS_PER_MINUTE = 1
    now = dt.datetime.now(dt.UTC)
    with time_machine.travel(now, tick=False):
        assert [ask("GET", ME, token=token).status_code for _ in range(2)] == [200, 429]
    with time_machine.travel(now + dt.timedelta(seconds=61), tick=False):
        assert ask("GET", ME, token=token).status_code == 200


def test_whoever_sends_no_token_is_counted_by_address(settings, this_minute):
    settings.API_REQUESTS_PER_MINUTE_UNKNOWN = 2
    signin = {"REMOTE_ADDR": "192.0.2.1", "content_type": "application/json"}
    statuses = [
        Client(headers={"x-forwarded-for": f"10.0.0.{number}", "forwarded": f"for=10.0.0.{number}"})
        .post("/api/auth/signin", "{}", **signin)
        .status_code
        for number in range(4)
    ]
    assert statuses == [422, 422, 429, 429]
    elsewhere = Client().post("/api/auth/signin", "{}", **{**signin, "REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.status_code == 422


# --- From other sites -------------------------------------------------------------------------------------------------


def preflight(address=ME, origin=OTHER_SITE):
    return send(
        "OPTIONS",
        address,
        origin=origin,
        **{"access-control-request-method": "PUT", "access-control-request-headers": "authorization, idempotency-key"},
    )


def test_no_other_site_may_ask_unless_named(token):
    assert "Access-Control-Allow-Origin" not in preflight()
    assert "Access-Control-Allow-Origin" not in ask("GET", ME, token=token, origin=OTHER_SITE)


@override_settings(CORS_ALLOWED_ORIGINS=[OTHER_SITE])
def test_a_site_that_is_named_may_ask(token):
    allowed = preflight()
    assert allowed.status_code == 200
    assert allowed["Access-Control-Allow-Origin"] == OTHER_SITE
    assert "PUT" in allowed["Access-Control-Allow-Methods"]
    assert {"authorization", "idempotency-key"} <= set(allowed["Access-Control-Allow-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in allowed
    for response in (
        ask("GET", ME, token=token, origin=OTHER_SITE),
        ask("GET", "/api/nowhere", origin=OTHER_SITE),
        send("PUT", ME, "x" * 3 * 2**20, origin=OTHER_SITE),
    ):
        assert response["Access-Control-Allow-Origin"] == OTHER_SITE
        exposed = response["Access-Control-Expose-Headers"]
        assert set(exposed.split(", ")) == {"ETag", "Idempotency-Replayed", "Retry-After", "X-Request-ID"}
        assert "origin" in response["Vary"].lower()


@override_settings(CORS_ALLOWED_ORIGINS=[OTHER_SITE])
@pytest.mark.parametrize(
    "origin",
    ["https://app.example.org.evil.example", "http://app.example.org", "https://app.example.org:8443", "null", "evil"],
)
def test_exactly_the_named_site_and_no_other(origin, token):
    assert "Access-Control-Allow-Origin" not in preflight(origin=origin)
    assert "Access-Control-Allow-Origin" not in ask("GET", ME, token=token, origin=origin)


@override_settings(CORS_ALLOWED_ORIGINS=[OTHER_SITE])
@pytest.mark.parametrize("address", ["/", "/accounts/login/", "/healthz", "/static/js/theme.js", "/admin/"])
def test_no_page_is_for_other_sites(address):
    assert "Access-Control-Allow-Origin" not in preflight(address)
    assert "Access-Control-Allow-Origin" not in send("GET", address, origin=OTHER_SITE)


# --- Once is enough ---------------------------------------------------------------------------------------------------


def found(token, key, name="Thesis", address=GROUPS):
    return ask("POST", address, {"name": name}, token=token, **{"idempotency-key": key})


def test_the_same_again_is_done_once_and_answered_the_same(token):
    first, again = found(token, "a"), found(token, "a")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Content-Type"] == first["Content-Type"]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert again["X-Request-ID"] != first["X-Request-ID"]
    assert ProjectGroup.objects.count() == 1
    assert found(token, "b").json()["id"] != first.json()["id"]


def test_other_content_or_another_address_under_the_same_key_is_refused(token):
    group = found(token, "a").json()["id"]
    assert problem(found(token, "a", name="Other")) == (422, "idempotency_mismatch")
    assert problem(found(token, "a", address=f"{GROUPS}?x=1")) == (422, "idempotency_mismatch")
    other = f"{GROUPS}{group}/contributions"
    elsewhere = ask("POST", other, {"name": "Thesis"}, token=token, **{"idempotency-key": "a"})
    assert problem(elsewhere) == (422, "idempotency_mismatch")
    assert ProjectGroup.objects.count() == 1


def test_another_persons_key_is_another_key(token, sam):
    mine, theirs = found(token, "a"), found(token_of(sam), "a")
    assert mine.json()["owner_id"] != theirs.json()["owner_id"]
    assert found(token_of(sam), "a").content == theirs.content


def test_all_tokens_of_a_person_share_their_keys(token, ann):
    assert found(personal_token(ann), "a").content == found(token, "a").content


def test_a_refusal_is_not_remembered(token):
    assert problem(found(token, "a", name="")) == (422, "invalid_input")
    assert not IdempotentAnswer.objects.exists()
    assert found(token, "a", name="Thesis").status_code == 201


def test_a_read_only_token_stores_nothing(ann):
    assert problem(found(personal_token(ann, "read"), "a")) == (403, "read_only_token")
    assert not IdempotentAnswer.objects.exists()


def test_after_a_day_a_key_is_new(token, ann):
    now = dt.datetime.now(dt.UTC)
    first = found(token, "a").json()["id"]
    with time_machine.travel(now + dt.timedelta(hours=23, minutes=59)):
        assert found(token_of(ann), "a").json()["id"] == first
    with time_machine.travel(now + dt.timedelta(hours=24, minutes=1)):
        assert found(token_of(ann), "a").json()["id"] != first


def test_old_answers_are_forgotten(token):
    found(token, "a")
    now = dt.datetime.now(dt.UTC)
    assert idempotency.forget_old_answers(now=now) == 0
    later = now + dt.timedelta(hours=24, seconds=5)
    assert idempotency.forget_old_answers(now=later, dry_run=True) == 1
    assert idempotency.forget_old_answers(now=later) == 1
    assert not IdempotentAnswer.objects.exists()


@pytest.mark.parametrize("key", ["x" * 121, "", "é", "a\tb", "a\x7f", "\U0001f511"])
def test_a_key_that_is_none_is_refused(key, token):
    assert problem(found(token, key)) == (422, "bad_idempotency_key")
    assert not ProjectGroup.objects.exists()


def test_a_key_may_be_long_and_have_any_sign(token):
    for key in ("x" * 120, "a b", "".join(chr(number) for number in range(33, 127))):
        assert found(token, key).content == found(token, key).content
    assert ProjectGroup.objects.count() == 3


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("status", [200, 201, 204])
def test_each_answer_comes_again_and_its_side_effects_do_not(status, token, django_capture_on_commit_callbacks):
    told.clear()
    headers = {"authorization": f"Bearer {token}", "idempotency-key": "a"}
    with django_capture_on_commit_callbacks(execute=True):
        first, again = [send("POST", f"/api/tells/{status}", "{}", **headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (status, status)
    assert again.content == first.content == (b"" if status == 204 else b'{"fine": true}')
    assert told == ["when it was saved"]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("status", [400, 409, 500, 503])
def test_what_was_refused_has_no_side_effects(status, token, django_capture_on_commit_callbacks):
    told.clear()
    headers = {"authorization": f"Bearer {token}", "idempotency-key": "a"}
    with django_capture_on_commit_callbacks(execute=True):
        assert send("POST", f"/api/tells/{status}", "{}", **headers).status_code == status
    assert told == []
    assert not IdempotentAnswer.objects.exists()


def test_an_answer_that_comes_again_goes_around_nothing(ann, token, settings):
    assert found(token, "a").status_code == 201
    reading = personal_token(ann, scope="read")
    assert problem(found(reading, "a")) == (403, "read_only_token")
    settings.API_REQUESTS_PER_MINUTE = 0
    refused = found(token, "a")
    assert problem(refused) == (429, "too_many_requests")
    assert int(refused["Retry-After"]) >= 1
    settings.API_REQUESTS_PER_MINUTE = 600
    settings.STAFF_NEED_SECOND_FACTOR = True
    User.objects.filter(pk=ann.pk).update(is_staff=True)
    assert problem(found(token, "a")) == (403, "second_factor_missing")


def test_no_invitation_is_kept_as_it_was_answered(token):
    group = found(token, "a").json()["id"]
    address = f"{GROUPS}{group}/invitations"
    first, again = [ask("POST", address, {}, token=token, **{"idempotency-key": "b"}) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] != again.json()["id"]
    assert not IdempotentAnswer.objects.filter(key="b").exists()


def test_other_methods_take_no_key(token):
    for _ in range(2):
        response = ask("PUT", ME, {"name": "Anna"}, token=token, **{"idempotency-key": "a"})
        assert response.status_code == 200
        assert "Idempotency-Replayed" not in response
    assert not IdempotentAnswer.objects.exists()


def test_visitors_have_no_keys():
    assert problem(ask("POST", GROUPS, {"name": "x"}, **{"idempotency-key": "a"})) == (401, "not_signed_in")
    assert not IdempotentAnswer.objects.exists()


def test_an_exception_in_the_middle_leaves_no_key(token, monkeypatch):
    def founds_and_breaks(**options):
        create_group(**options)
        raise ZeroDivisionError("in the middle")

    monkeypatch.setattr(group_api, "create_group", founds_and_breaks)
    response = send("POST", GROUPS, '{"name": "Thesis"}', authorization=f"Bearer {token}", **{"idempotency-key": "a"})
    assert problem(response) == (500, "error")
    assert not IdempotentAnswer.objects.exists()
    assert not ProjectGroup.objects.exists()
    monkeypatch.undo()
    assert found(token, "a").status_code == 201
