"""The JSON API: every app's operations, mounted under /api/."""

import json
from functools import cache, wraps

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.openapi.docs import Redoc, Swagger

from accounts.actions import BadToken
from accounts.api import auth
from accounts.bearer import Bearer, PerAddress, PerPerson, ReadOnly, SecondFactorMissing, only_reads
from accounts.idempotency import takes_key
from bookings.api import appointments, times
from feedback.api import feedback
from mentorbook.locks import Busy
from mentorbook.rest.documented import response, responses
from mentorbook.rest.errors import StrictParser, answer_refusals
from mentors.api import mentors, tags
from notifications.api import notifications
from tickets.api.knowledge import knowledge
from tickets.api.tickets import tickets
from wallets.api import wallet
from wallets.group_api import project_groups

DESCRIPTION = """
Everything that the pages of mentorbook do, for programs. Each operation calls the same action as its page, so it
allows and refuses the same.

**Sign-in.** `POST /api/auth/signin` gives an access token for some minutes and a refresh token for the next one. For
scripts there are personal tokens, made in the profile. Send either as `Authorization: Bearer …`.

**Times** are answered in UTC (`2026-12-01T10:00:00Z`). A time that is sent without an offset is read in the time zone
of your profile; where the clocks change, add the offset.

**Lists** are `{"items": […], "count": N}` and take `page` and `page_size`.

**Errors** are `{"detail": "a sentence for people", "code": "slot_taken", "field": null}`. What does not fit the
schema is answered with 422, and `detail` is a list of what is wrong where.

**Twice is once.** A `POST` with an `Idempotency-Key` is done once, however often it is sent; the same answer comes
again for 24 hours.

**Not too often.** 429 and 503 say in `Retry-After` how many seconds to wait. Single objects have an `ETag`; with
`If-None-Match` an unchanged one is answered with 304.
""".strip()

PROBLEM = {
    "title": "Problem",
    "type": "object",
    "required": ["detail", "code", "field"],
    "properties": {
        "detail": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "A stable word for programs."},
        "field": {"type": ["string", "null"], "description": "What in the input caused it."},
    },
    "additionalProperties": True,
}
INVALID_INPUT = {
    "title": "InvalidInput",
    "type": "object",
    "required": ["detail", "code", "field"],
    "properties": {
        "detail": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["loc", "msg", "type"],
                        "properties": {
                            "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                            "msg": {"type": "string"},
                            "type": {"type": "string"},
                        },
                    },
                },
            ]
        },
        "code": {"type": "string"},
        "field": {"type": ["string", "null"]},
    },
    "additionalProperties": True,
}
EXAMPLE_OF_INVALID = {
    "summary": "The input does not fit the schema.",
    "value": {
        "detail": [{"loc": ["body", "title"], "msg": "Field required", "type": "missing"}],
        "code": "invalid_input",
        "field": "title",
    },
}


def _problem(status, code, detail):
    return response(status, {code: {"value": {"detail": detail, "code": code, "field": None}}})


EVERYWHERE = {
    429: _problem(429, "too_many_requests", "That was too often. Wait as many seconds as Retry-After says."),
    **responses([Busy]),
}
NOT_SIGNED_IN = _problem(401, "not_signed_in", "Send an access token or a personal token.")
MISSING = _problem(404, "not_found", "There is no such thing, or not for you.")
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same content is done once and answered the same for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 120, "pattern": "^[ -~]+$"},
}


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation):
        """`bookings_cancel`: the app and the function, wherever in the app that stands."""
        view = operation.view_func
        return f"{view.__module__.partition('.')[0]}_{view.__name__}"

    def get_openapi_schema(self, *, path_prefix=None, path_params=None):
        """The description with what holds for every operation written into each of them."""
        prefix = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        return _described(self, prefix)


@cache
def _described(api, prefix):
    schema = NinjaAPI.get_openapi_schema(api, path_prefix=prefix)
    schema["components"]["schemas"] |= {"Problem": PROBLEM, "InvalidInput": INVALID_INPUT}
    for listed in schema["components"]["schemas"].values():
        _show_an_example(listed, schema["components"]["schemas"])
    for address, operations in schema["paths"].items():
        for method, operation in operations.items():
            signs_in = bool(operation.get("security"))
            _complete(
                operation,
                takes_key=method == "post" and signs_in and takes_key(address),
                may_change=not only_reads(method, address),
                names_rows="{" in address or "/me/" in address or _sends_ids(schema, operation),
            )
    return schema


def _sends_ids(schema, operation):
    """Whether something that is not there can be named in the body or the query."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    choices = [body, *body.get("anyOf", [])]
    sent = [schema["components"]["schemas"].get(each.get("$ref", "").rpartition("/")[2], {}) for each in choices]
    names = [name for each in sent for name in each.get("properties", {})]
    names += [parameter["name"] for parameter in operation.get("parameters", [])]
    return any(name.endswith("_id") for name in names)


def _show_an_example(listed, schemas):
    """A list shows the example of what it lists: `Listed` is generic, and cannot know it."""
    if listed["properties"].keys() != {"items", "count"}:
        return
    item = listed["properties"]["items"]["items"].get("$ref", "").rpartition("/")[-1]
    if examples := schemas.get(item, {}).get("examples"):
        listed["examples"] = [{"items": examples[:1], "count": 1}]


def _complete(operation, *, takes_key, may_change, names_rows):
    answers = operation["responses"]
    operation["tags"] = list(dict.fromkeys(operation["tags"]))  # ninja names a router's tag again for its own routers
    for parameter in operation.get("parameters", []):
        parameter.pop("examples", None)  # a list, which only its schema may have
    signs_in = bool(operation.get("security"))
    if signs_in:
        _add(answers, 401, NOT_SIGNED_IN)
        _add(answers, 401, responses([BadToken])[401])
        refused = [SecondFactorMissing] + ([ReadOnly] if may_change else [])
        _add(answers, 403, responses(refused)[403])
    if names_rows:
        _add(answers, 404, MISSING)
    for status, described in EVERYWHERE.items():
        _add(answers, status, described)
    if operation.get("requestBody") or operation.get("parameters"):
        _add(answers, 422, response(422, {"invalid_input": EXAMPLE_OF_INVALID}))
    if takes_key:
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
        _add(answers, 409, _problem(409, "in_the_works", "The first request with this key is still being worked on."))
        _add(answers, 422, _problem(422, "idempotency_mismatch", "This idempotency key was used for something else."))
        _add(answers, 422, _problem(422, "bad_idempotency_key", "An idempotency key has 1 to 120 characters."))
    if 422 in answers:  # a refusal's sentence, or a list of what does not fit the schema
        answers[422]["content"]["application/json"]["schema"] = {"$ref": "#/components/schemas/InvalidInput"}
    operation["responses"] = {str(status): answers[status] for status in sorted(answers)}


def _add(answers, status, described):
    """Add the examples of `described` to those that the operation has for `status` already."""
    known = answers.setdefault(status, {"description": "", "content": {"application/json": {}}})
    content = known.setdefault("content", {}).setdefault("application/json", {})
    examples = {**content.get("examples", {}), **described["content"]["application/json"]["examples"]}
    known.update(response(status, examples))


api = Api(
    title="mentorbook",
    version="1.0",
    description=DESCRIPTION,
    urls_namespace="api",
    auth=Bearer(),
    throttle=[PerPerson(), PerAddress()],
    parser=StrictParser(),
    docs=Swagger({"layout": "BaseLayout", "deepLinking": True, "validatorUrl": None}),
    openapi_extra={
        "tags": [
            {"name": "sign-in", "description": "Who you are, and tokens."},
            {"name": "mentors", "description": "Who mentors, and on which terms."},
            {"name": "time", "description": "Hours, free times, the best of them, waiting lists."},
            {"name": "appointments", "description": "Sessions and chats, from the request to their end."},
            {"name": "points", "description": "Your wallet."},
            {"name": "project groups", "description": "People who book and pay together."},
            {"name": "tickets", "description": "Questions in writing, from asking to the solution."},
            {"name": "knowledge base", "description": "Solved tickets that others learn from."},
            {"name": "tags", "description": "The vocabulary of technologies."},
            {"name": "feedback", "description": "Reviews, in both directions."},
            {"name": "notifications", "description": "What you were told."},
        ]
    },
)
answer_refusals(api)
api.add_router("/auth", auth)
api.add_router("/mentors", mentors)
api.add_router("/mentors", times.mentors)
api.add_router("/appointments", times.appointments)
api.add_router("/appointments", appointments.appointments)
api.add_router("/chat-requests", appointments.chat_requests)
api.add_router("/wallet", wallet)
api.add_router("/project-groups", project_groups)
api.add_router("/tags", tags)
api.add_router("/tickets", tickets)
api.add_router("/knowledge", knowledge)
api.add_router("/notifications", notifications)
api.add_router("", feedback)


@require_safe
@login_not_required
def redoc(request):
    """The same description to read, by Redoc."""
    return Redoc({"disableSearch": True}).render_page(request, api)


@cache
def _description() -> bytes:
    return json.dumps(api.get_openapi_schema(), ensure_ascii=False).encode()


@require_safe
@login_not_required
def description(request):
    """The OpenAPI description, written down once a process."""
    return HttpResponse(_description(), content_type="application/json")


def _for_programs(pattern):
    """The address without the redirect to the sign-in page: programs get 401 from the operation itself."""
    view = pattern.callback if pattern.name != "openapi-view" else require_safe(pattern.callback)

    @wraps(view)
    def open_view(*args, **kwargs):
        return view(*args, **kwargs)

    pattern.callback = login_not_required(open_view)
    return pattern


_patterns, _app_name, _namespace = api.urls
urls = (
    [
        path("redoc", redoc, name="redoc"),
        path("openapi.json", description, name="openapi-json"),
        *(_for_programs(pattern) for pattern in _patterns if pattern.name != "openapi-json"),
    ],
    _app_name,
    _namespace,
)
